"""Every published system: it is built, learns, and says what it is."""

from dataclasses import asdict, replace
from math import isfinite

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from canonic import evaluate
from canonic.cli.opened import open_network
from canonic.codes.readouts import first_event
from canonic.datasets import open_data
from canonic.errors import CanonicError, DataError
from canonic.learn import LIF, Gradient, Optimiser, Population, Recipe, as_network, unroll
from canonic.learn.batches import in_order, taken
from canonic.learn.zoo import Entry, entry, names
from canonic.learn.zoo.entry import FEW
from canonic.learn.zoo.parts import READOUTS, first_step, stream
from canonic.learn.zoo.training import count_classes, train
from canonic.learn.zoo.trial import ZooTrial
from canonic.measure.table import row_of, table

COUNT = 200


@pytest.fixture(scope="module")
def digits():
    """200 digits, standardised or not; their rows are the steps of a sequence, each with its label; frames of two
    polarities come with what is brighter.
    """
    x, y = taken(open_data("digits:train"), range(COUNT))
    frames = torch.stack([torch.stack([x[:, 0] > level, x[:, 0] < level]) for level in (0.2, 0.5, 0.8)])
    frames = frames.permute(2, 0, 1, 3, 4).float()
    both = {True: (x - x.mean()) / x.std(), False: x}
    return {
        ("pictures", True): TensorDataset(both[True], y),
        ("pictures", False): TensorDataset(both[False], y),
        ("sequences", True): TensorDataset(both[True].flatten(1, 2), y[:, None].expand(-1, 8).contiguous()),
        ("recordings", True): TensorDataset(frames, y),
    }


def answers(snn, x):
    return snn.outcome(x).readout[-1] if isinstance(snn, ZooTrial) else snn(x)


@pytest.mark.filterwarnings("ignore::canonic.learn.sound.Silence")  # few epochs make no one sure
@pytest.mark.parametrize("name", names())
def test_an_entry_learns_is_saved_and_gives_its_row(name, digits, tmp_path):
    known, data = entry(name), digits[entry(name).kind, entry(name).standardised]
    recipe = replace(known.recipe_for(COUNT, seed=1), epochs=3, batch=20)
    known = replace(known, ann_few=known.ann_few and recipe)
    found = train(known, data, recipe, validate=0.1, progress=False)
    for history in (found.history, found.ann_history):
        assert history.epochs[-1].measures["loss"] < history.epochs[history.begun].measures["loss"]  # of one stage
        assert (history.record["data"]["samples"], history.record["validation"]["samples"]) == (180, 20)
    assert all(e.validation_loss is None or isfinite(e.validation_loss) for e in found.history.epochs)
    assert isinstance(found.system, Gradient) == (found.history.epochs[0].validation_loss is not None)
    some = TensorDataset(*(tensor[:50] for tensor in data.tensors))
    snn = found.measurable(data)
    weights = {key: tensor.clone() for key, tensor in found.system.net.state_dict().items()}
    row = row_of(found, snn, some, "digits")
    assert all(torch.equal(tensor, weights[key]) for key, tensor in found.system.net.state_dict().items())
    assert [key for key, value in row.items() if value is None] == []
    assert 1 <= row["mean_step"] <= row["steps"]
    snn.save(tmp_path / "snn.safetensors")
    batches = list(in_order(some, recipe.batch))  # a sample draws by its place in the batch
    again = open_network(tmp_path / "snn.safetensors")
    if known.kind != "sequences":  # a sequence has an answer at each step, and the last alone is measured
        measured = evaluate(again, batches, reference=None, progress=False)
        assert measured.accuracy == pytest.approx(row["accuracy"])
    torch.testing.assert_close(answers(again, batches[0][0]), answers(snn, batches[0][0]))
    (cells,) = table([row])
    assert all(cells)


@pytest.mark.parametrize("name", names())
def test_the_weights_of_an_entry_follow_from_the_seed(name, digits):
    known = entry(name)
    shape = tuple(digits[known.kind, known.standardised].tensors[0].shape[1:])
    one, two, other = (known.system(shape, 10, known.recipe_for(COUNT, seed)).net.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(tensor, two[key]) for key, tensor in one.items())
    assert not all(torch.equal(tensor, other[key]) for key, tensor in one.items())


@pytest.mark.parametrize("name", names())
def test_an_entry_says_what_it_is(name):
    known = entry(name)
    assert isinstance(known, Entry)
    assert known.name == name
    assert all(getattr(known, field) for field in ("what", "source", "published", "data", "codes", "gradient"))
    assert known.codes.count(" > ") == 2
    assert (known.recipe_for(FEW, 7), known.recipe_for(FEW - 1, 7)) == (
        replace(known.recipe, seed=7),
        replace(known.few, seed=7),
    )
    for recipe in (known.recipe, known.few):
        assert Recipe.from_json(recipe.to_json()) == recipe
        assert asdict(recipe)["seed"] == 0
    shape = {"pictures": (1, 8, 8), "sequences": (8, 8), "recordings": (3, 2, 8, 8)}[known.kind]
    assert (
        known.trial
        or known.converted
        or any(isinstance(module, Population) for module in known.build(shape, 10).modules())
    )
    assert not any(isinstance(module, Population) for module in known.ann(shape, 10).modules())


def test_a_name_that_is_none_is_refused():
    with pytest.raises(CanonicError, match="there is no system 'lfi': did you mean lif"):
        entry("lfi")


def test_a_network_for_pictures_refuses_what_is_none():
    with pytest.raises(DataError, match=r"for pictures of at least 4 x 4 pixels, samples have the shape \[8\]"):
        entry("lif").build((8,), 10)
    with pytest.raises(DataError, match=r"for recordings \[frames, .*, samples have the shape \[1, 8, 8\]"):
        entry("lif-events").build((1, 8, 8), 10)


def test_dsr_keeps_the_gradient_of_a_clip_and_trains_its_threshold():
    net = entry("dsr").build((1, 8, 8), 10)
    population = next(m for m in net.modules() if isinstance(m, Population))
    x = (torch.randn(3, 16, generator=torch.Generator().manual_seed(1)) * 3).requires_grad_()
    unroll(nn.Sequential(population), x, steps=5).output.sum().backward()
    assert torch.equal(x.grad, ((x >= 0) & (x <= 2)) * 5.0)
    assert float(population.trained["theta"].grad) == pytest.approx(2 * 5 * int((x > 2).sum()))  # theta = exp(p)


def test_votes_are_counted_for_each_class():
    net = entry("population").build((1, 8, 8), 3)
    spikes = unroll(net, torch.rand(4, 1, 8, 8), steps=1)
    assert spikes.spikes["4"].shape == (1, 4, 150)
    assert torch.equal(spikes.output, spikes.spikes["4"].unflatten(-1, (3, 50)).sum(-1))


def test_single_spikes_begin_from_the_weights_of_another_network(digits):
    known, x = entry("single-spike"), digits["pictures", False].tensors[0]
    net, ann = known.build((1, 8, 8), 10), known.ann((1, 8, 8), 10)
    known.begin(net, ann, x)
    assert torch.equal(net[2].weight, ann[1].weight)
    second = ann[:5](x)
    torch.testing.assert_close(net[6].rule.theta, torch.quantile(second, 0.997))
    run = unroll(net.eval(), x, steps=5)
    assert max(run.spikes[name].sum(0).max() for name in ("3", "6")) == 1
    often = entry("direct-spikes").build((1, 8, 8), 10)
    known.begin(often, ann, x)
    assert unroll(often.eval(), x, steps=5).spikes["3"].sum() > run.spikes["3"].sum()


def test_the_answer_of_first_to_spike_is_the_first_event():
    known = entry("first-to-spike")
    run = known.forward(known.build((1, 8, 8), 3).eval(), torch.rand(20, 1, 8, 8), 0)
    found = first_event(run.output, run.membranes["4"])
    assert torch.equal(READOUTS[known.readout](run)[-1].argmax(1), found.answer)
    assert torch.equal(first_step(run), found.step)


def test_an_evaluation_tells_when_the_first_event_answers(digits):
    known, data = entry("first-to-spike-sure"), digits["pictures", False]
    system = known.system((1, 8, 8), 10, known.recipe_for(COUNT, 1))
    x = data.tensors[0][:50]
    snn = as_network(system.net.eval(), x[:2], 8, readout="first")
    steps = first_step(system.run(x)).double()
    assert 1 <= steps.mean() < 8
    found = evaluate(snn, [x[:20], x[20:]], progress=False)
    assert found.mean_step == pytest.approx(float(steps.mean()))
    assert found.to_json()["latency"]["mean_step"] == found.mean_step
    last = evaluate(replace(snn, plan=replace(snn.plan, readout="last")), [x], progress=False)
    assert "mean_step" not in last.to_json()["latency"]


@pytest.mark.parametrize(("name", "steps"), [("mpe", 4), ("first-to-spike", 8)])
def test_what_is_random_is_measured_with_draws_of_its_seed(name, steps):
    known, x = entry(name), 9 * torch.rand(3, 1, 8, 8)
    system = known.system(x.shape[1:], 10, known.recipe_for(COUNT, seed=1))
    mine, same, other = system.run(x), *(unroll(system.net, x, steps=steps, seed=seed) for seed in (1, 2))
    assert all(torch.equal(spikes, same.spikes[at]) for at, spikes in mine.spikes.items())
    assert not all(torch.equal(spikes, other.spikes[at]) for at, spikes in mine.spikes.items())


def of_steps(shape, classes):
    return nn.Sequential(nn.Linear(shape[1], 16), Population(LIF()), nn.Linear(16, classes))


def of_steps_without_spikes(shape, classes):
    return nn.Sequential(nn.Linear(shape[1], 16), nn.ReLU(), nn.Linear(16, classes))


def test_sequences_with_one_answer_are_trained_measured_and_kept(digits):
    events = (digits["sequences", True].tensors[0] > 0.5).to(torch.int8)  # bytes, as files of events have them
    data = TensorDataset(events, digits["pictures", True].tensors[1])
    known = replace(entry("lif"), name="steps", kind="sequences", forward=stream)
    known = replace(known, build=of_steps, ann=of_steps_without_spikes)
    found = train(known, data, Recipe(4, 50, optimiser=Optimiser(lr=0.01)), progress=False)
    for history in (found.history, found.ann_history):
        assert history.epochs[-1].measures["loss"] < history.epochs[history.begun].measures["loss"]  # of one stage
    snn = found.network(data.tensors[0][:2])
    assert torch.allclose(snn(data.tensors[0][:9]), found.system.answer(data.tensors[0][:9])[-1], atol=1e-5)
    row = row_of(found, snn, data, "rows of digits")
    assert (row["steps"], row["mean_step"]) == (8, 8)
    assert row["ann_MACs"] == 8 * (8 * 16 + 16 * 10)


def test_labels_with_gaps_build_no_outputs_for_them():
    with pytest.raises(DataError, match="labels reach up to 100000, and there are 2 of them: number the classes"):
        count_classes(torch.tensor([0, 100_000]))
    assert count_classes(torch.tensor([0, 2, 2])) == 3
    assert count_classes(torch.tensor([0, 2, 2]), ["a", "b", "c", "d"]) == 4


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ([0.0, 1.0], r"got floating point: y.astype\(int\)"),
        ([0.0, 0.5], "got floating point: number the classes"),
        ([0, -1], "whole numbers from 0, got -1: number them$"),
        ([[0, -1]], "got -1: number them; -100, or what no_label of the file says, stands where a step has none"),
        ([[-100, -100]], "no step has a label, all are -100"),
    ],
)
def test_labels_that_are_no_classes_are_told_what_they_are(y, said):
    with pytest.raises(DataError, match=said):
        count_classes(torch.tensor(y))
