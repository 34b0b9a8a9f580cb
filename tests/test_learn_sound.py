"""What a training is given by mistake: each is refused with what it is, its value, and what to do."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from canonic.errors import CanonicError, DataError, TrainingError
from canonic.learn import (
    LIF,
    Constant,
    EventConv2d,
    EventInput,
    EventLinear,
    EventPool,
    Gradient,
    Optimiser,
    Population,
    Quotient,
    Recipe,
    fit,
    losses,
    unroll,
)
from canonic.learn.zoo import entry
from canonic.learn.zoo.training import count_classes, train
from tests.unchecked import said

X, Y = torch.randn(24, 5, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 3
RECIPE = Recipe(epochs=2, batch=8)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), Population(LIF(leak=0.5)), nn.Linear(8, 3))


def run(net, x, seed):
    return unroll(net, x, steps=3, seed=seed)


def loss(did, y):
    return losses.cross_entropy(did.output, y)


def system(net=None, forward=run, how=loss, recipe=RECIPE):
    return Gradient(net or network(), forward, how, recipe)


def data(x=X, y=Y):
    return TensorDataset(x, y)


SAMPLES = {
    "other features": (
        data(X[:, :4]),
        r"cannot be run on samples \[4\] of torch.float32: .* give them as it takes them",
    ),
    "double": (data(X.double()), r"cannot be run on samples \[5\] of torch.float64: .*dtype"),
    "whole numbers": (data(X.long()), r"cannot be run on samples \[5\] of torch.int64"),
    "a column of labels": (
        data(y=Y[:, None]),
        r"labels have the shape \[8, 1\], for 8 samples of 3 steps: give a class",
    ),
    "labels in floating point": (data(y=Y.float()), "whole numbers from 0, got torch.float32: number the classes"),
    "a label too large": (data(y=Y * 100_000), "label [12]00000 is none of the 3 classes of the output, 0 to 2"),
    "a label too small": (data(y=Y - 1), "label -1 is none of the 3 classes"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_that_cannot_be_learned_from_are_refused(name):
    given, why = SAMPLES[name]
    with pytest.raises(DataError, match=why):
        fit(system(), given)
    with pytest.raises(DataError, match=why):
        fit(system(recipe=replace(RECIPE, epochs=1)), data(), validate=given)


SYSTEMS = {
    "the output alone": (lambda: system(forward=lambda n, x, s: run(n, x, s).output), "return what unroll does, a Run"),
    "several losses": (
        lambda: system(how=lambda r, y: r.output.mean((0, 2))),
        r"one number .* of the shape \[8\]: ret",
    ),
    "a loss without graph": (lambda: system(how=lambda r, y: loss(r, y).detach()), r"shape \[\] without gradient"),
    "a float": (lambda: system(how=lambda r, y: loss(r, y).item()), "one number with a gradient, .* got a float"),
    "nothing to train": (lambda: system(nn.Sequential(Population(LIF()))), "no parameter that needs a gradient"),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_is_no_system_is_refused(name):
    make, why = SYSTEMS[name]
    with pytest.raises(TrainingError, match=why):
        fit(make(), data())


KINDS = {
    "fit(system(), DataLoader(data(), 8))": "the training data must be a data set, samples (x, y) by their numbers, got a D",
    "fit(system(), zip(X, Y))": "the training data must be a data set, samples (x, y) by their numbers, got a zip: give Ten",
    "fit(system(), None)": "the training data must be a data set, samples (x, y) by their numbers, got a NoneType: give",
    "fit(system(), (X, Y))": "a sample of the training data has 23 inputs: one tensor is what a network in time takes, as",
    "fit(system(), data(X[:, None].expand(-1, 4, -1)))": "the answers have the shape [3, 8, 4, 3], and should be [time, bat",
    "fit(system(), data(y=nn.functional.one_hot(Y)))": "labels have the shape [8, 3]: give a class for each sample",
    "fit(system(), data(), validate=DataLoader(data()))": "the validation data must be a data set",
    "fit(network(), data())": "what is trained must be a network with its recipe, as Gradient(net, forward, loss, recipe), ",
    "system(recipe=None)": "recipe must be a Recipe, got a NoneType",
    "Population(nn.ReLU())": "the rule of a Population cannot be ReLU(): take LIF()",
    "Population(LIF)": "the rule of a Population cannot be <class 'canonic.neurons.rules.LIF'>: take",
    "IF(fire=None)": "fire of IF makes spikes of u - theta, and cannot be None: take",
    "Recipe(1, 8, schedule='cosine')": "schedule cannot be 'cosine': take Cosine()",
    "Recipe(1, 8, optimiser='adam')": "optimiser cannot be 'adam': take Optimiser('adam', lr=1e-3)",
    "EventLinear(4, 2, LIF())": "a layer of spike times has no steps, and its neuron cannot be a LIF: take Quotient.ramp()",
    "fire(EventLinear(4, 2, Quotient.ramp()), X)": "a network of spike times is an nn.Sequential, got an EventLinear: put",
}
IMPORTS = """
from torch.utils.data import DataLoader
from canonic.learn import IF, fire
from tests.test_learn_sound import *
"""


def test_what_is_of_another_kind_is_refused_by_its_name():
    for message, wanted in zip(said(KINDS, IMPORTS), KINDS.values(), strict=True):
        assert message.startswith(wanted)


@pytest.mark.parametrize(
    ("samples", "batch", "said"), [(5, 1, "take batch=4 or"), (5, 2, "take batch=4 or"), (1, 8, "learn from more")]
)
def test_batch_norm_of_one_sample_is_refused_before_the_training(samples, batch, said):
    net = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), Population(LIF()), nn.Linear(8, 3))
    few = data(X[:samples], Y[:samples])
    with pytest.raises(TrainingError, match=f"batch norm 1 takes the deviation .* with a single sample: {said}"):
        fit(system(net, recipe=Recipe(1, batch)), few)
    if samples > 1:
        fit(system(net, recipe=Recipe(1, 4)), few)
    fit(system(recipe=Recipe(1, batch)), few)  # without it any number will do
    behind = nn.Sequential(nn.Linear(5, 8), Population(LIF()), nn.BatchNorm1d(8), nn.Linear(8, 3))
    fit(system(behind, recipe=Recipe(1, batch)), few)  # which sees all steps of a sample


def test_an_error_in_the_forward_of_ones_own_is_told_with_its_cause():
    def forward(net, x):
        return unroll(net, x, steps=3)

    with pytest.raises(
        DataError, match=r"takes 2 positional arguments but 3 were given; .* or mend its forward"
    ) as told:
        fit(system(forward=forward), data())
    assert isinstance(told.value.__cause__, TypeError)


class Remembers(nn.Module):
    """A layer with a state that lasts from one call to the next."""

    def __init__(self, how):
        super().__init__()
        self.layer, self.population, self.how, self.last = nn.Linear(5, 3), Population(LIF()), how, None
        self.register_buffer("trace", torch.zeros(1, 5))

    def forward(self, x):
        if self.how == "attribute":
            self.last = x if self.last is None else 0.5 * self.last + x
            return self.population(self.layer(self.last))
        if self.how == "buffer":
            self.trace = (0.5 * self.trace + x.mean(0)).detach()
        else:
            self.trace.mul_(0.5).add_(x.mean(0).detach())
        return self.population(self.layer(x + 9 * self.trace))


@pytest.mark.parametrize(("how", "place"), [("attribute", "1.last"), ("buffer", "1.trace"), ("in place", "1.trace")])
def test_a_module_that_keeps_a_state_is_named(how, place):
    net = nn.Sequential(nn.Identity(), Remembers(how))
    with pytest.raises(TrainingError, match=f"when the same samples are given again: {place} is kept from one call"):
        fit(system(net), data())


def test_noise_without_the_seed_is_no_state():
    def noisy(net, x, seed):
        return run(net, x + torch.randn_like(x), seed)

    assert len(fit(system(forward=noisy), data()).epochs) == 2


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Population(LIF(), trainable="leak"), r"got 'leak': write trainable=\('leak',\)"),
        (lambda: Population(LIF(), recurrent=nn.Sequential(nn.Linear(4, 4), Population(LIF()))), "are a Loop"),
        (lambda: LIF(theta=float("inf")), "theta of LIF must be above 0 and finite, got inf"),
        (lambda: EventInput((4,), tau=0.0), "tau of EventInput must be above 0 and finite, got 0.0"),
        (lambda: EventLinear(0, 2, Quotient.ramp()), r"have the shape \[2, 0\]: give it some"),
        (lambda: EventConv2d(1, 2, 0, Quotient.ramp()), r"have the shape \[2, 1, 0, 0\]"),
        (lambda: EventPool(0), "size of EventPool must be a whole number from 1"),
        (lambda: EventLinear(4, 2, Quotient.ramp())(torch.rand(2, 4)), "EventInput makes times of numbers"),
        (lambda: count_classes(torch.zeros(5, dtype=torch.int64)), "all labels are 0, .* give samples of two classes"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_made(make, why):
    with pytest.raises(CanonicError, match=why):
        make()


def quiet(theta):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 3), Population(LIF(theta=theta), membrane=True))


def test_an_output_that_never_fires_is_told_once_and_its_share_is_kept():
    recipe = Recipe(3, 8, optimiser=Optimiser(lr=1e-6), schedule=Constant())
    with pytest.warns(UserWarning, match=r"any sample in epoch 3, the last \(100 % of them were silent\)") as told:
        history = fit(system(quiet(99.0), recipe=recipe), data())
    assert len(told) == 1
    assert [epoch.measures["silent"] for epoch in history.epochs] == [1, 1, 1]


def test_of_some_samples_that_are_silent_the_share_is_kept():
    net = quiet(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recipe = Recipe(1, 24, optimiser=Optimiser(lr=1e-9))
        (epoch,) = fit(system(net, recipe=recipe), data()).epochs
    none = (run(net, X, None).output == 0).all(2).all(0).float().mean().item()
    assert 0 < none < 1
    assert epoch.measures["silent"] == pytest.approx(none)
    assert "silent" not in fit(system(), data()).epochs[0].measures


@pytest.mark.parametrize("name", ["first-to-spike-sure", "spike-time-leaky", "rel-psp", "desire"])
def test_a_training_from_the_command_line_tells_it_too(command, tmp_path, name):
    np.savez(tmp_path / "dark.npz", x=np.zeros((40, 6), np.float32), y=np.arange(40) % 2)
    words = ("train", name, "--data", "dark.npz", "--epochs", "2", "--no-ann")
    told = command(tmp_path, *words).stderr
    assert told.count("canonic: no output came of any sample in epoch 2, the last") == 1


@pytest.mark.filterwarnings("ignore::canonic.learn.sound.Silence")  # of the network without time
@pytest.mark.parametrize("name", ["single-spike", "direct-spikes", "rel-psp-windowed"])
def test_a_layer_of_which_no_threshold_can_be_made_is_named_with_the_cause(name):
    known, x = entry(name), torch.zeros(24, 1, 8, 8)
    recipe = replace(known.recipe_for(24, 0), epochs=1)
    with pytest.raises(TrainingError, match="layer 1 of the network that it begins from drives nothing: 99.. % of wha"):
        train(replace(known, ann_few=recipe), data(x), recipe, progress=False)
    x[:, :, :2] = torch.rand(24, 1, 2, 8)  # a fourth of the numbers
    train(replace(known, ann_few=recipe), data(x), recipe, progress=False)


def test_one_class_is_told_before_a_training_of_the_zoo():
    with pytest.raises(DataError, match="all labels are 0"):
        train(entry("population-one"), data(torch.rand(24, 1, 8, 8), Y * 0), RECIPE, progress=False)
