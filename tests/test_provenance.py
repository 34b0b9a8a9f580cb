"""Where a network comes from: what it was calibrated on, its weights, the command; and samples that it has seen."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from canonic import evaluate, load
from canonic.conversion import convert
from canonic.datasets.digests import KEPT, Digest, digest_of, digest_of_tensors, hashed
from canonic.report.record import record


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).eval()


@pytest.fixture(scope="module")
def x():
    return torch.rand(40, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def snn(model, x):
    return convert(model, [x[:20], x[20:30]], progress=False)


def test_the_digest_of_samples_is_that_of_their_bytes(x):
    hashes, total = hashed([x[:2]], [torch.tensor([1, 2])])
    assert hashes == [hashlib.sha256(sample.numpy().tobytes()).hexdigest()[:16] for sample in x[:2]]
    whole = [hashlib.sha256(x[i].numpy().tobytes() + np.int64(i + 1).tobytes()).digest() for i in range(2)]
    assert total == sum(map(int.from_bytes, whole))


def test_digests_add_up_however_the_data_is_cut(x):
    whole, parts = digest_of([x]), [digest_of([part]) for part in (x[25:], x[:3], x[3:25])]
    assert sum(parts, Digest()) == whole
    assert whole.samples == 40
    assert Digest.from_json(json.loads(json.dumps(whole.to_json()))).least == whole.least
    pictures = torch.rand(3, 2, 4, 4)
    assert digest_of([pictures.contiguous(memory_format=torch.channels_last)]) == digest_of([pictures])


def test_of_many_samples_those_with_the_smallest_hashes_are_kept():
    many = torch.arange(3 * KEPT).double()[:, None]
    digest = sum((digest_of([part]) for part in many.split(500)), Digest())
    hashes, _ = hashed([many])
    assert digest.least == tuple(sorted(hashes)[:KEPT])
    assert digest.count(hashes) == KEPT
    assert digest.count(hashed([many + 0.5])[0]) == 0


def test_weights_have_a_digest_of_all_their_tensors(model):
    state = model.state_dict()
    assert digest_of_tensors(state) == digest_of_tensors(dict(reversed(state.items())))
    changed = {**state, "0.bias": state["0.bias"] + 1}
    assert digest_of_tensors(changed) != digest_of_tensors(state)
    half = {"a": torch.zeros(3, dtype=torch.bfloat16), "b": torch.tensor(1), "epoch": 3}
    assert len(digest_of_tensors(half)) == 64


def test_conversion_records_what_it_was_made_of(snn, model, x):
    assert Digest.from_json(snn.record["calibration"]).least == digest_of([x[:30]]).least
    assert snn.record["calibration"]["sha256"] == digest_of([x[:30]]).sha256
    assert snn.record["weights"] == {"tensors_sha256": digest_of_tensors(model.state_dict())}
    assert "date" not in json.dumps(snn.record)  # the same conversion makes the same record
    assert snn.describe()["calibration"] == {"samples": 30, "sha256": digest_of([x[:30]]).sha256}


@pytest.mark.parametrize(("start", "count"), [(0, 30), (20, 10), (30, 0)])
def test_samples_that_calibrated_the_network_are_counted(snn, x, start, count):
    y = torch.zeros(40 - start, dtype=torch.int64)
    found = evaluate(snn, [(x[start:35], y[: 35 - start]), (x[35:], y[:5])], progress=False)
    assert found.calibrated == found.to_json()["data"]["calibrated"] == count


def test_a_network_of_an_older_file_knows_no_samples(snn, x):
    old = replace(snn, record={"calibration_samples": 30})
    assert evaluate(old, [(x, torch.zeros(40, dtype=torch.int64))], progress=False).calibrated == 0
    assert old.describe()["calibration"] == {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder: a model, its weights, data."""
    path = tmp_path_factory.mktemp("user")
    make = "from torch import nn\ndef make(): return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))"
    (path / "origin_net.py").write_text(make)
    torch.manual_seed(0)
    torch.save(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).state_dict(), path / "w.pt")
    x = np.random.default_rng(0).random((30, 4), np.float32)
    np.savez(path / "known.npz", x=x[:20], y=np.arange(20) % 3)
    np.savez(path / "unseen.npz", x=x[20:], y=np.arange(10) % 3)
    return path


def test_the_command_line_says_where_a_network_comes_from(command, folder):
    weights = hashlib.sha256((folder / "w.pt").read_bytes()).hexdigest()
    arguments = ("convert", "origin_net:make", "--weights", "w.pt", "--data", "known.npz", "--out", "n", "--json")
    described = json.loads(command(folder, *arguments).stdout)
    assert described["weights"]["file"] == "w.pt"
    assert described["weights"]["file_sha256"] == weights
    assert described["made"]["command"] == " ".join(("canonic", *arguments))
    assert described["made"]["data"] == "known.npz"
    assert described["calibration"].keys() == {"samples", "sha256"}
    assert load(folder / "n").record["made"] == described["made"]
    said = command(folder, "evaluate", "n", "--data", "unseen.npz").stdout
    date = described["made"]["date"][:10]
    sentence = f"converted {date} with the weights w.pt (SHA-256 {weights[:12]}), calibrated on 20 samples of known.npz"
    assert sentence in said
    assert "SEEN BEFORE" not in said


def test_data_that_was_seen_before_is_said(command, folder):
    command(folder, "convert", "origin_net:make", "--data", "known.npz", "--out", "n")
    said = command(folder, "evaluate", "n", "--data", "known.npz").stdout
    assert (
        "SEEN BEFORE: 20 of the 20 samples are known to have calibrated the network or trained it: measure it on others"
        in said
    )
    found = json.loads(command(folder, "evaluate", "n", "--data", "known.npz", "--json").stdout)
    assert found["data"]["calibrated"] == 20
    assert found["made"]["data"] == "known.npz"
    data = ("--data", "known.npz", "--calibration", "known.npz")
    assert (
        "SEEN BEFORE: 20 of" in command(folder, "sweep", "origin_net:make", *data, "-T", "2", "--out", "sweep").stdout
    )


def test_the_report_shows_the_record(snn, x):
    found = evaluate(snn, [(x, torch.zeros(40, dtype=torch.int64))], progress=False).to_json()
    made = {"command": "canonic evaluate n", "date": "2026-01-02T03:04:05+00:00", "data": "some"}
    description = {**snn.describe(), "made": {**made, "command": "canonic convert n"}}
    body = record({**found, "made": made}, {"samples": 40}, description, {}).body
    for row in ("evaluation: command</th><td>canonic evaluate n", "conversion: command</th><td>canonic convert n"):
        assert row in body
    assert "samples that are known to have calibrated the network or trained it</th><td>30" in body
    assert "weights: tensors_sha256" in body
