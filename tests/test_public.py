"""``make bench-public`` without its packages: its page, what it keeps, what it reads, what it follows."""

import json
import re
from struct import pack

import pytest
import torch
from benchmarks.public import page
from benchmarks.public.measured import measured, others
from benchmarks.public.run import RESULTS, go_on
from benchmarks.public.subject import Samples, Subject, share
from benchmarks.public.subjects import SUBJECTS
from benchmarks.public.weights import HALF, halves, package_file, read
from torch import nn

from canonic import CSS, Override, Settings
from canonic.network.advice import Tried

KEPT = json.loads(RESULTS.read_text())["results"]


def toy(name):
    """A network that tells which of four inputs is the largest."""
    x = torch.rand(64, 4, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)).eval()
    data = Samples([(x[:32],)], (x[32:],), x[32:].argmax(1))
    return Subject(
        name,
        name.title(),
        "here",
        "the largest of four",
        lambda: model,
        lambda: data,
        lambda answers, data: {"top1_percent": share(answers[0].argmax(1) == data.truth)},
        lambda one, other: {"same_class_percent": share(one[0].argmax(1) == other[0].argmax(1))},
    )


def test_at_least_twelve_networks_are_kept_and_on_the_page():
    assert [row["network"] for row in KEPT] == [subject.name for subject in SUBJECTS]
    assert len(KEPT) >= 12
    text = page.PAGE.read_text()
    for part, table in page.TABLES.items():
        assert page.replaced(text, part, table(KEPT)) == text, "python -m benchmarks.public.page"
    assert all(f"| {subject.title} ({subject.origin}) | {subject.task}" in text for subject in SUBJECTS)


def test_what_is_kept_has_identifiers_and_the_page_has_words_for_them():
    def keys(data):
        if isinstance(data, dict):
            yield from data
        for part in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
            yield from keys(part)

    assert all(re.fullmatch(r"\w+", key) for key in keys(KEPT))
    used = {key for row in KEPT for part in ("source", "spiking", "both") for key in row.get(part, ())}
    assert used == page.WORDS.keys()


def test_a_run_goes_on_where_it_was_stopped(tmp_path, capsys):
    path, subjects, asked = tmp_path / "public.json", [toy(name) for name in "abc"], []

    def measure(subject):
        asked.append(subject.name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return {"network": subject.name, "turn": len(asked)}

    def kept():
        return [(row["network"], row["turn"]) for row in json.loads(path.read_text())["results"]]

    with pytest.raises(KeyboardInterrupt):
        go_on(path, subjects, subjects, again=False, measure=measure)
    assert kept() == [("a", 1)]
    go_on(path, subjects, subjects, again=False, measure=measure)
    assert (asked, kept()) == (["a", "b", "b", "c"], [("a", 1), ("b", 3), ("c", 4)])
    go_on(path, subjects, subjects[1:2], again=True, measure=measure)
    assert kept() == [("a", 1), ("b", 5), ("c", 4)]
    assert [path.name for path in tmp_path.iterdir()] == ["public.json"]


def test_a_network_is_measured_and_shown(monkeypatch):
    monkeypatch.setattr(page, "KNOWN", {"one": toy("one"), "other": toy("other")})
    row, refused = measured(toy("one")), {"network": "other", "refused": "2 problems:\n  why"}
    assert row["samples"] == 32
    assert row["both"]["same_class_percent"] > 90
    assert row["operations"]["multiplications_behind_populations"] == 0
    assert row["operations"]["source_multiplications"] > 16
    lines = list(page.figures([row, refused]))
    assert lines[2].startswith("| One (here) | the largest of four (32) | defaults | 8, 1 | 9 |")
    assert lines[-1] == "| Other (here) | the largest of four | refused |  |  |  |  |  |  |"
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    assert list(page.verdicts([row, refused])) == [f"* One: {row['advice']}", "* Other: why"]


@pytest.mark.parametrize(
    ("advised", "choice"),
    [
        (None, None),
        (Tried("steps", 9, None, 6.0, 1), (CSS(9, 1), Settings())),
        (Tried("silent", 2, None, 6.0, 4), (CSS(8, 2), Settings())),
        (Tried("silent", 2, "a", 6.0, 1), (CSS(8, 1), Settings(overrides={"a": Override(silent=2)}))),
        (Tried("calibration", 1.5, "a", 6.0, 0), None),
    ],
)
def test_what_is_advised_is_followed_where_it_is_a_setting(advised, choice):
    found = dict(others(advised))
    assert found.pop("auto") == (CSS(8, 1), Settings(silent="auto"))
    assert found == ({"advised": choice} if choice else {})


def field(number, content):
    """A field of a protobuf message: bytes, or a small whole number."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    return bytes([number << 3 | 2, len(content)]) + content


def test_weights_of_onnx_are_read_without_its_package(tmp_path):
    values = [1.0, -2.0, 0.5, 3.0, 4.0, 8.0]
    packed = pack("<6f", *values)
    one = field(1, 2) + field(1, 3) + field(2, 1) + field(8, b"weight") + field(9, packed)
    other = field(1, bytes([3, 2])) + field(2, 1) + field(8, b"bias") + field(4, packed)
    whole_numbers = field(1, 6) + field(2, 7) + field(8, b"shape") + field(9, b"")
    path = tmp_path / "model.onnx"
    path.write_bytes(field(1, 8) + field(7, b"".join(field(5, part) for part in (one, whole_numbers, other))))
    found = read(path)
    assert found.keys() == {"weight", "bias"}
    assert torch.equal(found["weight"], torch.tensor(values).view(2, 3))
    assert torch.equal(found["bias"], torch.tensor(values).view(3, 2))


def test_weights_of_ncnn_are_read_in_half_precision(tmp_path):
    path = tmp_path / "model.bin"
    odd = HALF + pack("<3e", 1, -2, 0.5) + bytes(2) + pack("<f", 0.1)  # padded to four bytes
    path.write_bytes(odd + HALF + pack("<4e", 1, 2, 3, 4) + pack("<2f", 5, 6))
    (one, bias), (other, offset) = halves(path, [(1, 3), (2, 2)])
    assert (one.tolist(), other.tolist()) == ([[1, -2, 0.5]], [[1, 2], [3, 4]])
    assert torch.equal(bias, torch.tensor([0.1]))
    assert offset.tolist() == [5, 6]
    for shapes in ([(1, 3)], [(1, 5), (2, 2)]):
        with pytest.raises(AssertionError, match="model.bin"):
            list(halves(path, shapes))


def test_a_package_that_is_missing_is_said_with_the_command_that_installs_it():
    with pytest.raises(FileNotFoundError, match="make bench-public installs it"):
        package_file("no/such/file.pth")
