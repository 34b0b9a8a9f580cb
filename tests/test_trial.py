"""What is no network of steps, measured by the same call: sums by hand, its file, and the two commands that open it."""

import json
from dataclasses import dataclass, replace

import pytest
import torch
from safetensors.torch import save_file
from torch.utils.data import TensorDataset

from canonic import evaluate, load
from canonic.datasets import open_data
from canonic.errors import DataError, StorageError, TrainingError
from canonic.learn import Recipe, zoo
from canonic.learn.batches import taken
from canonic.learn.outcome import Outcome, Trial
from canonic.learn.system import System
from canonic.learn.zoo import entry
from canonic.learn.zoo.training import train
from canonic.learn.zoo.trial import load_trial, trial_of
from canonic.measure.table import measured, row_of
from canonic.measure.trial import measure_trial_batch
from tests.commands import run


@dataclass(frozen=True)
class Sorted:
    """A trial whose first layer fires where it is above zero, once; a sample is answered at the step of its sign."""

    system: System

    @property
    def net(self):
        return self.system.net

    @property
    def neurons(self):
        return {"hidden": 400}

    steps = 2

    def outcome(self, x):
        with torch.no_grad():
            hidden = self.net[1](self.net[0](x))
            readout = self.net(x)
        spikes = (hidden > 0).int()
        decided = 1 + (readout.argmax(1) % 2)
        return Outcome(torch.stack([0 * readout, readout]), decided, {"hidden": spikes}, 10.0 * int(spikes.sum()), 0.0)


@pytest.fixture(scope="module")
def digits():
    x, y = taken(open_data("digits:train"), range(200))
    return TensorDataset((x - x.mean()) / x.std(), y)


@pytest.fixture
def known(monkeypatch):
    """An entry of the zoo that has a trial."""
    from canonic.learn.system import once
    from canonic.learn.zoo.bodies import mlp, relu
    from canonic.learn.zoo.parts import cross_entropy

    made = replace(entry("lif"), name="sorted", build=mlp(relu, 400), forward=once, loss=cross_entropy, trial=Sorted)
    monkeypatch.setitem(zoo._ENTRIES, "sorted", made)
    return made


@pytest.fixture
def found(known, digits):
    return train(known, digits, Recipe(epochs=3, batch=20, seed=1), ann=False, progress=False)


def test_the_sums_are_those_of_a_loop(found, digits):
    snn = found.measurable(digits)
    assert isinstance(snn, Trial)
    x, y = digits.tensors
    whole = evaluate(snn, [(x[:50], y[:50]), (x[50:], y[50:])], progress=False)
    net = found.system.net
    hidden, answer = (net[1](net[0](x)) > 0).sum(), net(x).argmax(1)
    assert whole.accuracy_by_step == pytest.approx([float((right == y).double().mean()) for right in (0 * y, answer)])
    assert whole.spikes_per_neuron == pytest.approx(float(hidden / (200 * 400)))
    assert whole.mean_step == pytest.approx(float((1 + answer % 2).double().mean()))
    assert whole.calibrated == 200
    told = whole.to_json()
    assert told["operations"]["spiking"]["ACs"] == pytest.approx(float(10 * hidden / 200))
    assert list(told["energy"]["models"]) == ["horowitz45"]
    assert told["energy"]["models"]["horowitz45"]["rows"][0]["total"] == pytest.approx(
        0.9e-6 * float(10 * hidden / 200)
    )
    assert "answers" not in repr(whole)
    assert row_of(found, snn, digits, "digits")["mean_step"] == pytest.approx(whole.mean_step)


def test_ctrl_c_makes_no_row_of_a_part_of_the_samples(found, digits, monkeypatch):
    snn, calls = found.measurable(digits), iter(range(9))

    def measure(*given):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return measure_trial_batch(*given)

    monkeypatch.setattr("canonic.measure.evaluation.measure_trial_batch", measure)
    with pytest.raises(KeyboardInterrupt):
        measured(snn, digits, 50, source=None)


def test_without_labels_its_activity_is_measured(found, digits):
    assert evaluate(found.measurable(digits), [(digits.tensors[0],)], progress=False).task == "activity"


def test_a_file_builds_it_again(found, digits, tmp_path):
    snn = found.measurable(digits)
    snn.save(tmp_path / "s.safetensors")
    again, x = load_trial(tmp_path / "s.safetensors"), digits.tensors[0]
    assert torch.equal(again.outcome(x).readout, snn.outcome(x).readout)
    assert again.record["training"] == json.loads(json.dumps(snn.record["training"]))
    with pytest.raises(StorageError, match="a trained system that is no network of steps: canonic evaluate"):
        load(tmp_path / "s.safetensors")


def test_the_commands_open_its_file(found, digits, tmp_path):
    file = tmp_path / "s.safetensors"
    snn = found.measurable(digits)
    replace(snn, record={**snn.record, "preprocessing": {"mean": (0.3,), "std": (0.4,)}}).save(file)
    told = json.loads(run(tmp_path, "evaluate", str(file), "--data", "digits", "--limit", "50", "--json").stdout)
    assert told["task"] == "classification"
    shown = run(tmp_path, "evaluate", str(file), "--data", "digits", "--limit", "50").stdout
    assert "answers at step" in " ".join(shown.split())
    (tmp_path / "e.json").write_text(json.dumps(told))
    page = tmp_path / "r.html"
    args = ["--data", "digits", "--limit", "50", "--evaluation", str(tmp_path / "e.json"), "--out", str(page)]
    run(tmp_path, "report", str(file), *args)
    assert "A trained system, direct &gt; spikes &gt; mean" in page.read_text()
    assert "step of the answer, on average over the samples" in page.read_text()


NAN = torch.full((2, 1, 8, 8), torch.nan)


@pytest.mark.parametrize(
    ("x", "why"),
    [
        (torch.rand(2, 64), r"rank: input x must have the shape \[batch, 1, 8, 8\], got \[2, 64\]"),
        (torch.rand(2, 3, 8, 8), r"must have the shape \[batch, 1, 8, 8\], got \[2, 3, 8, 8\]"),
        (torch.rand(0, 1, 8, 8), "with at least one sample"),
        (torch.ones(2, 1, 8, 8, dtype=torch.uint8), "must be floating point, got torch.uint8"),
        (NAN, "input x holds NaN or infinity"),
    ],
)
def test_samples_that_are_not_of_its_training_are_refused(x, why):
    known = entry("rank")
    recipe = known.recipe_for(10, 0)
    snn = trial_of(known, known.system((1, 8, 8), 3, recipe), (1, 8, 8), 3)
    with pytest.raises(DataError, match=why):
        evaluate(snn, [(x, torch.zeros(len(x), dtype=torch.int64))], progress=False)


@pytest.mark.filterwarnings("ignore::canonic.learn.sound.Silence")
@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
def test_labels_of_each_step_are_those_of_the_row(kind):
    known = entry("rank-spotting")
    torch.manual_seed(0)
    x, y = torch.randint(0, 2, (40, 6, 4)).to(kind), torch.randint(-1, 2, (40, 6))
    data = TensorDataset(x, y.where(y >= 0, -100))
    found = train(known, data, Recipe(epochs=1, batch=20, seed=1), ann=False, progress=False)
    whole = evaluate(found.measurable(data), [data.tensors], progress=False)
    assert whole.accuracy == pytest.approx(row_of(found, found.measurable(data), data, "made")["accuracy"])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"entry": "srted"}, "there is no system 'srted'"),
        ({"shape": [1, 9, 9]}, r"1.weight has the shape \(400, 64\), sorted needs \(400, 81\)"),
        ({"shape": [10**6, 10**6]}, "sorted needs"),
        ({"classes": 3}, "sorted needs"),
        ({"recipe": {}}, "damaged"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(found, digits, tmp_path, wrong, why):
    found.measurable(digits).save(tmp_path / "s.safetensors")
    from safetensors import safe_open

    with safe_open(tmp_path / "s.safetensors", "pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    told = {**json.loads(header["trial"]), **wrong}
    save_file(tensors, tmp_path / "w.safetensors", {**header, "trial": json.dumps(told)})
    with pytest.raises(StorageError, match=why):
        load_trial(tmp_path / "w.safetensors")


def test_weights_that_are_not_finite_are_neither_written_nor_read(found, digits, tmp_path):
    snn = found.measurable(digits)
    with torch.no_grad():
        snn.net[1].weight[0, 0] = float("nan")
    with pytest.raises(StorageError, match=r"1.weight holds NaN or infinity"):
        snn.save(tmp_path / "s.safetensors")
    with pytest.raises(StorageError, match="there is no file"):
        load_trial(tmp_path / "s.safetensors")


def test_a_network_of_steps_has_no_trial(digits):
    with pytest.raises(TrainingError, match="lif is a network of steps"):
        trial_of(entry("lif"), entry("lif").system((1, 8, 8), 10, Recipe(1, 20)), (1, 8, 8), 10)
