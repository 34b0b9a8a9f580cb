"""Training: the same for the same seed, resumable, broken by nothing, blind to what it is tested on."""

import errno
import math
import os
import signal
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from canonic.errors import CanonicError, ClusterError, DataError, StorageError, TrainingError
from canonic.learn import (
    LIF,
    Constant,
    Cosine,
    Exponential,
    Gradient,
    Moment,
    Optimiser,
    Population,
    Recipe,
    Steps,
    Surrogate,
    accuracy,
    fit,
    losses,
    once,
    unroll,
)
from canonic.learn.batches import drawn, held_out, in_memory, in_order, shuffled
from canonic.learn.checkpoint import read, write
from canonic.learn.history import Epoch, History
from canonic.neurons.surrogate import triangle
from tests.groups import in_group, results

RECIPE = Recipe(epochs=4, batch=16, seed=3, optimiser=Optimiser("adam", lr=0.02))


def samples(count=48, seed=1):
    """Points of three classes, which a line does not tell apart well."""
    x = torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(x, (x[:, 0] > 0).long() + (x[:, 1] * x[:, 2] > 0.3).long())


def loss(run, y):
    return nn.functional.cross_entropy(run.output.mean(0), y)


def spiking(recipe=RECIPE, seed=0, **options):
    torch.manual_seed(seed)
    population = Population(LIF(leak=0.5), trainable=("leak",), shape=(12,))
    net = nn.Sequential(nn.Linear(5, 12), nn.Dropout(0.1), population, nn.Linear(12, 3))
    return Gradient(net, lambda net, x, seed: unroll(net, x, steps=3, seed=seed), loss, recipe, **options)


def trained(recipe=RECIPE, folder=None, **options):
    system = spiking(recipe)
    return system, fit(system, samples(), folder=folder, **options)


def same(one, other):
    one, other = one.net.state_dict(), other.net.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def whole():
    """A training that nothing interrupts."""
    return trained()


def test_the_loss_falls_and_the_record_says_what_determines_the_weights(whole):
    system, history = whole
    losses = [epoch.measures["loss"] for epoch in history.epochs]
    assert len(losses) == 4
    assert losses[-1] < losses[0]
    assert Recipe.from_json(history.record["recipe"]) == RECIPE
    assert history.record["data"]["samples"] == 48
    assert set(history.record["versions"]) == {"canonic", "torch", "python"}
    assert (history.chosen, history.record["validation"]) == (4, None)
    assert history.to_json()["chosen_on"] == "nothing: it is the last"
    assert History.from_json(history.to_json()) == history
    assert accuracy(system, samples()) == pytest.approx(np.mean(_answers(system) == samples().tensors[1].numpy()))


def _answers(system):
    return system.answer(samples().tensors[0])[-1].argmax(-1).numpy()


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before_and_another_seed_others(whole):
    torch.manual_seed(99)
    again = spiking()
    torch.rand(7)
    before = torch.get_rng_state()
    fit(again, samples())
    assert same(whole[0], again)
    assert torch.equal(torch.get_rng_state(), before)
    assert not same(whole[0], trained(replace(RECIPE, seed=4))[0])


class Stops(Gradient):
    """A system that does something else at one of its steps."""

    def __init__(self, inner, at, instead):
        self.__dict__.update(inner.__dict__)
        self.left, self.instead = at, instead

    def step(self, x, y, moment):
        self.left -= 1
        return self.instead() if self.left == 0 else super().step(x, y, moment)


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("at", [2, 4, 8, 12], ids=["first epoch", "whole epoch", "later", "last"])
def test_a_training_that_was_interrupted_goes_on_to_the_same_weights(whole, tmp_path, at):
    cut = Stops(spiking(), at, interrupt)
    with pytest.raises(KeyboardInterrupt, match=rf"interrupted: {(at - 1) // 3} whole epochs? kept in .*goes on from"):
        fit(cut, samples(), folder=tmp_path)
    resumed = spiking(seed=0 if at < 4 else 5)  # where there is a whole epoch its weights count, not those given
    history = fit(resumed, samples(), folder=tmp_path)
    assert same(whole[0], resumed)
    assert [e.measures for e in history.epochs] == [e.measures for e in whole[1].epochs]
    assert same(whole[0], trained(folder=tmp_path)[0])  # there is nothing left to do


def test_ctrl_c_leaves_the_network_of_the_last_whole_epoch():
    cut, two = Stops(spiking(), 8, interrupt), spiking()
    with pytest.raises(KeyboardInterrupt, match="2 whole epochs kept in the network"):
        fit(cut, samples())
    with pytest.raises(KeyboardInterrupt):
        fit(Stops(two, 7, interrupt), samples())
    assert same(cut, two)


def test_an_error_of_the_users_own_is_raised_as_it_is_and_the_last_whole_epoch_stays():
    def fails():
        raise ZeroDivisionError("mine")

    cut, two = Stops(spiking(), 8, fails), Stops(spiking(), 8, interrupt)
    with pytest.raises(ZeroDivisionError, match="^mine$"):
        fit(cut, samples())
    with pytest.raises(KeyboardInterrupt):
        fit(two, samples())
    assert same(cut, two)


def killed(group, folder):
    fit(Stops(spiking(), 8, lambda: os.kill(os.getpid(), signal.SIGKILL)), samples(), folder=folder)


def test_a_killed_training_loses_no_whole_epoch(whole, tmp_path):
    (process,) = in_group(1, killed, tmp_path)
    assert process.code == -signal.SIGKILL
    system, history = trained(folder=tmp_path)
    assert same(whole[0], system)
    assert history.epochs[2].measures == whole[1].epochs[2].measures


def test_a_full_disk_leaves_the_checkpoint_before(whole, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        fit(Stops(spiking(), 5, interrupt), samples(), folder=tmp_path)
    before = [file.read_bytes() for file in sorted(tmp_path.iterdir())]
    assert len(before) == 1

    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device; nothing was left behind.*1 whole epoch kept"):
        trained(folder=tmp_path)
    assert [file.read_bytes() for file in sorted(tmp_path.iterdir())] == before
    monkeypatch.undo()
    assert same(whole[0], trained(folder=tmp_path)[0])


@pytest.mark.parametrize(
    ("recipe", "data", "width", "said"),
    [
        (replace(RECIPE, epochs=5), samples(), 12, r"another recipe \(epochs 4, here 5\): choose another folder"),
        (replace(RECIPE, seed=4), samples(), 12, r"another recipe \(seed 3, here 4\)"),
        (RECIPE, samples(seed=2), 12, "other data samples"),
        (RECIPE, samples(), 13, "another network"),
    ],
    ids=["epochs", "seed", "data", "network"],
)
def test_a_checkpoint_of_another_training_is_refused_and_its_removal_helps(tmp_path, recipe, data, width, said):
    trained(folder=tmp_path)
    net = nn.Sequential(nn.Linear(5, width), Population(LIF()), nn.Linear(width, 3)) if width == 13 else spiking().net
    other = Gradient(net, lambda net, x, seed: unroll(net, x, steps=3), loss, recipe)
    with pytest.raises(TrainingError, match=said):
        fit(other, data, folder=tmp_path)
    (tmp_path / "training.safetensors").unlink()
    assert len(fit(other, data, folder=tmp_path).epochs) == recipe.epochs


def variant(
    leak=0.5, theta=(1.0,), steps=3, drop=0.1, slope=1.0, loss=loss, frozen=False, kind=Gradient, seed=0, recipe=RECIPE
):
    """A system like ``spiking`` in all that its state does not have."""
    torch.manual_seed(seed)
    fire = Surrogate(triangle(slope))
    population = Population(LIF(leak, torch.tensor(theta), fire=fire), trainable=("leak",), shape=(12,))
    net = nn.Sequential(nn.Linear(5, 12), nn.BatchNorm1d(12), nn.Dropout(drop), population, nn.Linear(12, 3))
    net[0].bias.requires_grad_(not frozen)
    return kind(net, lambda net, x, seed: unroll(net, x, steps=steps, seed=seed), loss, recipe)


def smoothed(run, y):
    return nn.functional.cross_entropy(run.output.mean(0), y, label_smoothing=0.2)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"leak": 0.501}, r"another network \(3: leak=0.5, here leak=0.501\)"),
        ({"theta": (1.5,)}, r"another rule \(3.theta has other numbers\)"),
        ({"drop": 0.2}, r"another network \(2: p=0.1, here p=0.2\)"),
        ({"frozen": True}, r"another network \(0: .* here .*bias fixed\)"),
        ({"steps": 4}, r"other steps, another loss or another rule \(.* steps 3, here 4\)"),
        ({"loss": smoothed}, r"other steps, another loss or another rule \(.* loss .*, here .*\)"),
        ({"slope": 0.9}, r"other steps, another loss or another rule \(.* gradient .*, here .*\)"),
    ],
)
def test_a_training_of_another_system_is_refused_whatever_differs(tmp_path, other, said):
    fit(variant(), samples(), folder=tmp_path)
    changed = variant(**other)
    before = {name: tensor.clone() for name, tensor in changed.net.state_dict().items()}
    with pytest.raises(TrainingError, match=said) as caught:
        fit(changed, samples(), folder=tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in changed.net.state_dict().items())
    assert str(tmp_path / "training.safetensors") in str(caught.value)
    (tmp_path / "training.safetensors").unlink()
    assert len(fit(changed, samples(), folder=tmp_path).epochs) == 4


def test_a_training_goes_on_from_other_weights_and_its_checkpoints_change_nothing(tmp_path):
    alone, first, again, short = variant(), variant(), variant(seed=7), replace(RECIPE, schedule=Constant())
    fit(alone, samples())
    fit(first, samples(), folder=tmp_path)
    fit(again, samples(), folder=tmp_path)
    assert same(alone, first)
    assert same(alone, again)
    assert first.net.training == alone.net.training
    with pytest.raises(KeyboardInterrupt):
        fit(Stops(variant(recipe=short), 8, interrupt), samples(), folder=tmp_path / "cut")
    resumed, whole = variant(seed=7, recipe=short), variant(recipe=short)
    fit(resumed, samples(), folder=tmp_path / "cut")
    fit(whole, samples())
    assert same(resumed, whole)


def test_a_checkpoint_of_a_version_that_said_less_goes_on(tmp_path):
    fit(variant(), samples(), folder=tmp_path)
    written = read(tmp_path)
    write(tmp_path, replace(written, modules={}, first={}))
    assert len(fit(variant(leak=0.9), samples(), folder=tmp_path).epochs) == 4
    record = {**written.history.record, "versions": {"canonic": "0"}}  # where a rule had fewer fields
    history = replace(written.history, record=record)
    write(tmp_path, replace(written, history=history, modules={"3": "Population, LIF(leak=0.5)"}))
    assert len(fit(variant(), samples(), folder=tmp_path).epochs) == 4
    with pytest.raises(TrainingError, match="other steps"):
        fit(variant(steps=4), samples(), folder=tmp_path)


@pytest.mark.parametrize("schedule", [Constant(), Steps((1, 3), 0.5), Exponential(0.1)])
def test_a_training_goes_on_for_more_epochs_where_its_schedule_does_not_know_their_number(tmp_path, schedule):
    recipe = replace(RECIPE, epochs=2, schedule=schedule)
    longer = replace(recipe, epochs=4)
    trained(recipe, folder=tmp_path)
    system, history = trained(longer, folder=tmp_path)
    at_once, _ = trained(longer)
    assert same(system, at_once)
    assert (len(history.epochs), history.record["recipe"]["epochs"]) == (4, 4)
    with pytest.raises(TrainingError, match=r"another recipe \(epochs 4, here 2\)"):
        trained(recipe, folder=tmp_path)


def test_a_training_of_a_version_that_knew_fewer_options_goes_on(tmp_path):
    system, _ = trained(folder=tmp_path)
    found = read(tmp_path)
    recipe = RECIPE.to_json()
    del recipe["optimiser"]["amsgrad"], recipe["patience"]
    write(tmp_path, replace(found, history=replace(found.history, record={**found.history.record, "recipe": recipe})))
    assert same(system, trained(folder=tmp_path)[0])


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:8] + b"x" + b[9:]])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    trained(replace(RECIPE, epochs=1), folder=tmp_path)
    file = tmp_path / "training.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(StorageError, match="remove it to begin again"):
        trained(replace(RECIPE, epochs=1), folder=tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot make the folder"):
        trained(folder=tmp_path / "file")


def overflowing(scale, at=7):
    """Return a system whose currents become too large at some step."""
    system = spiking()

    def step(x, y, moment):
        system.left -= 1
        return Gradient.step(system, x * (scale if system.left == 0 else 1), y, moment)

    system.left, system.step = at, step
    return system


def test_a_loss_that_is_not_finite_names_the_membrane_and_keeps_the_last_whole_epoch(tmp_path):
    system, two = overflowing(1e38), spiking()
    message = (
        r"the loss is .*the membrane of population 2 overflowed.*smaller learning rate than 0.02.*2 whole epochs kept"
    )
    with pytest.raises(TrainingError, match=message):
        fit(system, samples(), folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(Stops(two, 7, interrupt), samples())
    assert same(system, two)
    assert len(trained(folder=tmp_path)[1].epochs) == 4


def test_a_layer_without_a_membrane_that_overflows_is_named_too():
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        net[2].weight *= 1e39
    with pytest.raises(TrainingError, match=r"the output of layer 2 overflowed.*0 whole epochs kept"):
        fit(Gradient(net, once, loss, replace(RECIPE, autocast="bf16")), samples())
    wild = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    with pytest.raises(TrainingError, match=r"the output of layer 2 overflowed.*smaller learning rate than 1e\+30"):
        fit(Gradient(wild, once, loss, replace(RECIPE, optimiser=Optimiser("sgd", lr=1e30))), samples())


class Numbered(Dataset):
    """Samples that are read one by one, and are counted."""

    def __init__(self, data):
        self.data, self.asked = data, set()

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        self.asked.add(index)
        return self.data[index]


def test_samples_that_are_read_one_by_one_give_the_same(whole):
    data, system = Numbered(samples()), spiking()
    assert fit(system, data).record["data"] == whole[1].record["data"]
    assert same(whole[0], system)
    held = in_memory(Numbered(samples()))
    assert all(torch.equal(a, b) for a, b in zip(held.tensors, samples().tensors, strict=True))


def test_the_epoch_of_the_weights_is_chosen_on_validation_samples_alone(tmp_path):
    validate = samples(30, seed=9)
    recipe = replace(RECIPE, epochs=6, optimiser=Optimiser("adam", lr=0.1))
    system, history = trained(recipe, validate=validate, folder=tmp_path)
    scores = [epoch.validation for epoch in history.epochs]
    assert history.chosen == scores.index(max(scores)) + 1
    assert accuracy(system, validate) == max(scores)
    assert history.record["validation"]["samples"] == 30
    assert history.to_json()["chosen_on"] == "validation"
    again, _ = trained(recipe, validate=validate, folder=tmp_path)
    assert same(system, again)


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 99))
def test_what_is_held_out_is_a_share_that_the_seed_draws(count, share, seed):
    data = TensorDataset(torch.arange(count), torch.arange(count))
    if not 0 < round(share * count) < count:
        with pytest.raises(DataError, match="cannot be held out: take one between 0 and 1, say 0.1"):
            held_out(data, share, seed)
        return
    rest, held = held_out(data, share, seed)
    assert len(held) == round(share * count)
    assert sorted([x.item() for part in (rest, held) for x, _ in part]) == list(range(count))
    assert torch.equal(held.tensors[0], held_out(data, share, seed)[1].tensors[0])
    one_by_one = held_out(Numbered(data), share, seed)
    assert [[x.item() for x, _ in part] for part in one_by_one] == [part.tensors[0].tolist() for part in (rest, held)]


@pytest.mark.parametrize("share", [0.0, 1.0, math.nan, -0.5, 1e-3])
def test_a_share_that_leaves_nothing_is_refused(share):
    with pytest.raises(DataError, match="a share of .* of 48 samples cannot be held out"):
        fit(spiking(), samples(), validate=share)


def test_samples_of_the_training_are_held_out_and_choose_the_epoch(tmp_path):
    recipe = replace(RECIPE, epochs=6, optimiser=Optimiser("adam", lr=0.1))
    system, history = trained(recipe, validate=0.25, folder=tmp_path)
    rest, held = held_out(samples(), 0.25, recipe.seed)
    by_hand = spiking(recipe)
    told = fit(by_hand, rest, validate=held)
    assert same(system, by_hand)
    assert [epoch.measures for epoch in told.epochs] == [epoch.measures for epoch in history.epochs]
    assert history.record["data"]["samples"] == 36
    assert history.record["validation"] == {**told.record["validation"], "held_out": 0.25}
    assert history.to_json()["chosen_on"] == "25 % of the training samples, held out"
    assert History.from_json(history.to_json()) == history
    chosen = history.epochs[history.chosen - 1]
    assert chosen.validation == accuracy(system, held) == max(epoch.validation for epoch in history.epochs)
    assert chosen.validation_loss == pytest.approx(loss(system.run(held.tensors[0]), held.tensors[1]).item(), rel=1e-5)
    assert same(system, trained(recipe, validate=0.25, folder=tmp_path)[0])
    with pytest.raises(TrainingError, match="other data samples and other validation samples"):
        trained(recipe, validate=0.2, folder=tmp_path)


def test_a_training_ends_by_its_patience_and_says_what_that_needs(tmp_path):
    recipe = replace(RECIPE, epochs=40, patience=3, schedule=Constant(), optimiser=Optimiser("adam", lr=0.1))
    system, history = trained(recipe, validate=0.25, folder=tmp_path)
    count = len(history.epochs)
    assert 4 <= count < 40
    assert history.chosen == count - 3
    assert Recipe.from_json(recipe.to_json()) == recipe
    again, told = trained(recipe, validate=0.25, folder=tmp_path)
    assert same(system, again)
    assert told == history
    with pytest.raises(TrainingError, match="ends after 3 epochs that were no better .* hold out a tenth"):
        trained(recipe)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (TensorDataset(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long)), "the training data is empty"),
        (TensorDataset(torch.zeros(4, 5)), "has no labels: a sample is"),
        (TensorDataset(torch.zeros(4, 5), torch.zeros(4, 5), torch.zeros(4)), "has 2 inputs"),
        (TensorDataset(torch.zeros(4, 5), torch.tensor([0, 1, 2, 3])), "label 3 is none of the 3 classes"),
        (TensorDataset(torch.zeros(4, 5), torch.tensor([0, 1, -1, 2])), "label -1 is none of the 3 classes"),
        (TensorDataset(torch.zeros(4, 5), torch.tensor([0, 255, 1, 2])), "label 255 is none of the 3 classes"),
        (TensorDataset(torch.zeros(4, 5), torch.zeros(4)), "labels must be classes, whole numbers"),
    ],
)
def test_data_that_cannot_be_learned_from_is_refused(data, said):
    with pytest.raises(DataError, match=said):
        fit(spiking(), data)
    with pytest.raises(DataError, match=said.replace("training", "validation")):
        fit(spiking(replace(RECIPE, epochs=1)), samples(), validate=data)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_sample_that_is_not_finite_is_said_and_the_network_stays(wrong):
    data, system = samples(), spiking()
    before = {name: tensor.clone() for name, tensor in system.net.state_dict().items()}
    data.tensors[0][7, 2] = wrong
    with pytest.raises(DataError, match="a sample holds NaN or infinity: leave it out.*0 whole epochs kept"):
        fit(system, data)
    assert all(torch.equal(tensor, before[name]) for name, tensor in system.net.state_dict().items())


def test_steps_without_a_label_count_for_nothing():
    y = torch.tensor([[0, -100, 1], [2, 0, -100]])
    data = TensorDataset(torch.randn(2, 3, 5), y)

    def each_step(run, y):
        return nn.functional.cross_entropy(run.output.flatten(0, 1), y.T.flatten(), ignore_index=-100)

    net = nn.Sequential(nn.Linear(5, 8), Population(LIF()), nn.Linear(8, 3))
    system = Gradient(net, lambda net, x, seed: unroll(net, x.transpose(0, 1)), each_step, RECIPE)
    fit(system, data)
    answers = system.answer(data.tensors[0]).argmax(-1).T
    assert accuracy(system, data) == pytest.approx(int((answers == y).sum()) / 4)


def at_each_step(run, y):
    return losses.cross_entropy_each(run.output, y)


def in_steps(loss=at_each_step, batch=1, epochs=2):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 8), Population(LIF()), nn.Linear(8, 3))
    recipe = replace(RECIPE, batch=batch, epochs=epochs)
    return Gradient(net, lambda net, x, seed: unroll(net, x.transpose(0, 1)), loss, recipe)


def test_a_batch_without_any_label_teaches_nothing_and_counts_for_nothing():
    torch.manual_seed(1)
    x, y = torch.randn(3, 4, 5), torch.tensor([[0, -100, 1, 2], [-100] * 4, [-100] * 4])
    history = fit(in_steps(), TensorDataset(x, y), validate=TensorDataset(x, y))
    for epoch in history.epochs:
        assert epoch.measures["loss"] > 0.3  # of the one that has some
        assert epoch.measures["accuracy"] * 3 == pytest.approx(round(epoch.measures["accuracy"] * 3))
    last = in_steps()
    fit(last, TensorDataset(x, y))
    alone = last.judged(x[:1], y[:1])[1]
    assert history.epochs[-1].validation_loss == pytest.approx(alone)
    assert in_steps().step(x[1:2], y[1:2], Moment()) == {}


def test_where_no_step_has_a_label_it_is_said():
    x, y = torch.randn(4, 3, 5), torch.tensor([[0, 1, 2]] * 4)
    none = TensorDataset(x, torch.full_like(y, -100))
    with pytest.raises(DataError, match="no step of the training data has a label, all are -100: give classes from 0"):
        fit(in_steps(), none)
    with pytest.raises(DataError, match="no step of the validation data has a label"):
        fit(in_steps(), TensorDataset(x, y), validate=none)

    def mine(run, y):
        return nn.functional.cross_entropy(run.output.flatten(0, 1), y.T.flatten())

    y[1:] = -100
    with pytest.raises(DataError, match=r"no step of a batch has a label, and its loss is nan: let it be 0 there"):
        fit(in_steps(mine), TensorDataset(x, y))
    assert len(fit(in_steps(mine, batch=4), TensorDataset(x, y)).epochs) == 2  # what the message says helps


def test_an_update_is_that_of_torch():
    """One step of each optimiser, written out; groups, decay of the rate, and clipping."""
    x, y = samples(8).tensors
    optimiser = Optimiser("sgd", lr=0.5, weight_decay=0.01, groups=(("1.*", 3.0),))
    net = nn.Sequential(nn.Linear(5, 12), nn.Linear(12, 12), Population(LIF()), nn.Linear(12, 3))
    recipe = Recipe(epochs=2, batch=8, optimiser=optimiser, clip=0.1)
    system = Gradient(net, lambda net, x, seed: unroll(net, x, steps=3), loss, recipe)
    before = {name: p.detach().clone() for name, p in system.net.named_parameters()}
    loss(unroll(system.net, x, steps=3), y).backward()
    gradients = {name: p.grad.clone() for name, p in system.net.named_parameters()}
    norm = math.sqrt(sum(float(g.double().pow(2).sum()) for g in gradients.values()))
    assert norm > 0.1
    system.step(x, y, Moment(rate=0.5))
    for name, p in system.net.named_parameters():
        rate = 0.25 * (3 if name.startswith("1.") else 1)
        wanted = before[name] - rate * (gradients[name] * 0.1 / norm + 0.01 * before[name])
        assert torch.allclose(p, wanted, atol=1e-6), name


def test_amsgrad_is_that_of_torch():
    x, y = samples(8).tensors
    optimiser = Optimiser("adam", lr=0.1, amsgrad=True)
    assert Recipe.from_json(Recipe(2, 8, optimiser=optimiser).to_json()).optimiser == optimiser
    nets = []
    for build in (lambda net: optimiser.build(net), lambda net: torch.optim.Adam(net.parameters(), 0.1, amsgrad=True)):
        torch.manual_seed(3)
        net = nn.Linear(5, 3)
        moved = build(net)
        for power in (1.0, 0.1, 0.01):
            moved.zero_grad()
            (power * nn.functional.cross_entropy(net(x), y)).backward()
            moved.step()
        nets.append(net)
    assert torch.equal(nets[0].weight, nets[1].weight)


def test_bfloat16_computes_in_half_and_keeps_parameters_whole():
    seen = []
    system = spiking(replace(RECIPE, autocast="bf16"))
    system.net[2].register_forward_hook(lambda module, given, output: seen.append(given[0].dtype))
    history = fit(system, samples())
    assert set(seen) == {torch.bfloat16}
    assert all(p.dtype == torch.float32 for p in system.net.parameters())
    assert history.epochs[-1].measures["loss"] < history.epochs[0].measures["loss"]


class Local:
    """A system without a gradient: it moves its weights by a rule of its own, and tells negative numbers."""

    def __init__(self):
        self.net, self.recipe, self.moments = nn.Linear(5, 3), replace(RECIPE, schedule=Steps((2,), 0.5)), []

    def step(self, x, y, moment):
        self.moments.append(moment)
        with torch.no_grad():
            self.net.weight += moment.rate * 0.1
        return {"loss": -2.0, "accuracy": 0.0}

    def answer(self, x):
        return self.net(x)[None].detach()

    def memory(self):
        return {"steps": torch.tensor(len(self.moments))}

    def recall(self, memory):
        self.moments = self.moments[: int(memory["steps"])]


def test_a_system_without_a_gradient_is_trained_by_its_own_rule():
    system = Local()
    before = system.net.weight.detach().clone()
    history = fit(system, samples())
    assert [epoch.measures for epoch in history.epochs] == [{"loss": -2.0, "accuracy": 0.0}] * 4
    assert [moment.rate for moment in system.moments] == [1.0] * 6 + [0.5] * 6
    assert len({moment.seed for moment in system.moments}) == 12
    assert torch.allclose(system.net.weight, before + 0.9)


def test_a_bar_tells_the_epoch_the_loss_and_the_accuracy_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    fit(Local(), samples())
    shown = capsys.readouterr().err
    assert "epoch 4 of 4: loss -2, accuracy 0.00" in shown
    fit(Local(), samples(), progress=False)
    assert capsys.readouterr().err == ""


@given(st.integers(1, 200), st.integers(1, 40), st.integers(0, 2**40))
def test_each_epoch_sees_each_sample_once_in_updates_of_nearly_the_same_size(count, batch, seed):
    parts = shuffled(count, batch, seed)
    sizes = [len(part) for part in parts]
    assert sorted(torch.cat(parts).tolist()) == list(range(count))
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1
    assert all(torch.equal(a, b) for a, b in zip(parts, shuffled(count, batch, seed), strict=True))


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4))
def test_processes_share_all_samples(count, batch, world):
    data = TensorDataset(torch.arange(count), torch.arange(count))
    seen = [int(i) for rank in range(world) for x, _ in in_order(data, batch, rank, world) for i in x]
    assert sorted(seen) == list(range(count))


def test_seeds_of_places_are_as_by_chance():
    assert len({drawn(a, b) for a in range(30) for b in range(30)}) == 900
    assert drawn(1, 23) != drawn(12, 3)


SCHEDULES = [Constant(), Cosine(), Steps((2, 3), 0.5), Exponential(0.1)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: s.kind)
def test_a_recipe_is_plain_data(schedule):
    optimiser = Optimiser("sgd", 0.1, 5e-4, 0.9, (("*.leak", 5.0),))
    recipe = Recipe(3, 8, 2, optimiser, schedule, 1.0, "bf16")
    assert Recipe.from_json(recipe.to_json()) == recipe
    factors = [schedule.factor(done, 4) for done in np.linspace(0, 3.99, 50)]
    assert factors[0] == 1
    assert all(0 < later <= before for before, later in pairwise(factors))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Recipe(0, 8), "epochs must be a whole number from 1"),
        (lambda: Recipe(1, True), "batch must be a whole number"),
        (lambda: Recipe(1, 8, seed=-1), "seed must be a whole number from 0"),
        (lambda: Recipe(1, 8, clip=0.0), "clip must be positive and finite, got 0.0"),
        (lambda: Recipe(1, 8, clip=math.nan), "clip must be positive"),
        (lambda: Recipe(1, 8, autocast="fp16"), "autocast must be 'bf16' or None"),
        (lambda: Optimiser("lion"), "no optimiser 'lion': take adam or sgd"),
        (lambda: Optimiser(lr=-1.0), "lr must be positive and finite, got -1.0"),
        (lambda: Optimiser(lr=math.inf), "lr must be positive and finite"),
        (lambda: Optimiser("sgd", momentum=1.0), "momentum must be at least 0 and below 1, got 1"),
        (lambda: Optimiser(momentum=0.9), "momentum 0.9 is of sgd"),
        (lambda: Optimiser("sgd", amsgrad=True), "amsgrad is of adam, sgd has no second moment: leave it out"),
        (lambda: Recipe(1, 8, patience=0), "patience must be .* take 6, or None for all epochs"),
        (lambda: Optimiser(weight_decay=-1.0), "weight_decay must be at least 0"),
        (lambda: Optimiser(groups=(("a", 0.0),)), "the factor of 'a' must be positive"),
        (lambda: Steps((0,)), "at must be a whole number from 1"),
        (lambda: Steps((1,), 0.0), "by must be positive"),
        (lambda: Exponential(0.0), "rate must be positive"),
        (lambda: Recipe.from_json({"epochs": 1}), "this is no recipe"),
        (lambda: Recipe.from_json({**RECIPE.to_json(), "schedule": {"kind": "steep"}}), "this is no recipe"),
        (lambda: Recipe.from_json({**RECIPE.to_json(), "epoch": 1}), "this is no recipe"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(made, said):
    with pytest.raises(CanonicError, match=said):
        made()


def test_a_recipe_for_another_network_is_refused():
    with pytest.raises(TrainingError, match="parameters '.*tau', the network has none of that name .*0.weight, 0.bias"):
        spiking(replace(RECIPE, optimiser=Optimiser(groups=(("*tau", 5.0),))))
    with pytest.raises(TrainingError, match="no parameter that needs a gradient"):
        Gradient(nn.Sequential(nn.ReLU()), once, loss, RECIPE)


def shared(group, recipe, folder):
    torch.manual_seed(7)
    data = samples(50)
    net = nn.Sequential(nn.Linear(5, 12), Population(LIF()), nn.Linear(12, 3))
    system = Gradient(net, lambda net, x, seed: unroll(net, x, steps=3, seed=seed), loss, recipe)
    history = fit(system, data, validate=samples(21, seed=4), folder=folder)
    return net.state_dict(), [(e.measures, e.validation) for e in history.epochs]


def test_two_processes_train_as_one_and_go_on_as_one(tmp_path):
    recipe = replace(RECIPE, batch=14)  # 13 and 12 samples an update: unequal shares
    alone, told = results(1, shared, recipe, None)[0]
    for weights, epochs in results(2, shared, recipe, None):
        for name, wanted in alone.items():
            assert torch.allclose(weights[name], wanted, atol=1e-5), name
        for (measures, score), (wanted, wanted_score) in zip(epochs, told, strict=True):
            assert measures == pytest.approx(wanted, rel=1e-4)
            assert score == pytest.approx(wanted_score)
    (weights, epochs), *_ = results(2, shared, recipe, tmp_path)
    again = results(1, shared, recipe, tmp_path)[0]
    assert again[1] == epochs
    assert all(torch.equal(again[0][name], weights[name]) for name in weights)


def lost(group):
    system = spiking()
    if group.rank == 1:
        system = Stops(system, 5, lambda: os._exit(7))
    fit(system, samples())


def test_a_lost_process_ends_the_others_with_an_error():
    first, other = in_group(2, lost)
    assert (other.result, other.code) == (None, 7)
    assert isinstance(first.result, ClusterError)
    assert "lost contact with the others" in str(first.result)
    assert "1 whole epoch kept in the network" in str(first.result)


def unequal(group):
    fit(spiking(), samples(seed=group.rank))


def test_processes_with_other_data_are_refused():
    for error in results(2, unequal):
        assert isinstance(error, ClusterError)
        assert "differ in recipe, data or versions" in str(error)


def test_an_epoch_knows_its_measures():
    history = History({}, (Epoch({"loss": 1.0}, 2.0, 0.5), Epoch({"loss": 0.5}, 3.0, 0.75), Epoch({}, 1.0, 0.75)))
    assert (history.chosen, history.seconds) == (2, 6.0)
