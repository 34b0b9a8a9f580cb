"""Rank coding: the network answers when it is sure, and learns from that step alone (ICLR 2022, arXiv 2110.02865).

An LSTM (Hochreiter and Schmidhuber, 1997), or a spiking network, gives a score a class at each step; the first that is
sure answers. Pictures are trains of single spikes, the brightest pixels first (``Latency``), so that an early answer is
one from the brightest; sequences come as they are.
"""

from dataclasses import dataclass, replace
from functools import partial
from math import log, prod

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from canonic.codes import Latency
from canonic.errors import DataError
from canonic.learn import losses
from canonic.learn.modules import Encode
from canonic.learn.outcome import Outcome
from canonic.learn.population import Population
from canonic.learn.rank import SURE, answering, at_the_answer
from canonic.learn.recipe import Constant, Optimiser, Recipe
from canonic.learn.schedule import Run
from canonic.learn.system import Gradient, System
from canonic.learn.zoo.bodies import mlp, relu
from canonic.learn.zoo.entry import Entry, Shape, built
from canonic.learn.zoo.parts import constant, first, first_step, in_time, known
from canonic.neurons.leaky import Leaky
from canonic.neurons.rules import LIF

STEPS, HIDDEN, THETA = 20, 125, log(SURE / (1 - SURE))


class Brightest(nn.Module):
    """Pictures in [0, 1] as spikes ``[time, batch, pixels]``, one a pixel, the brightest first; dark ones send none."""

    steps = STEPS

    def forward(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "time batch pixels"]:
        """Return the trains."""
        return Latency(STEPS).encode(x).flatten(2)


class InSteps(nn.Module):
    """Sequences as a stream."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Shaped[Tensor, "batch time channels"]) -> Float[Tensor, "time batch channels"]:
        """Return them, time first."""
        return in_time(x)


class Memory(nn.Module):
    """An LSTM that gives a score a class at each step; of two classes one output, the score of the second."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.cells, self.last = nn.LSTM(channels, HIDDEN), nn.Linear(HIDDEN, classes if classes > 2 else 1)

    def forward(self, stream: Float[Tensor, "time batch channels"]) -> Float[Tensor, "time batch classes"]:
        """Return the scores of all steps."""
        scores: Tensor = self.last(self.cells(stream)[0])
        return scores if scores.shape[2] > 1 else torch.cat([torch.zeros_like(scores), scores], 2)


class Last(nn.Module):
    """Reads the last step."""

    def forward(self, stream: Float[Tensor, "time batch classes"]) -> Float[Tensor, "batch classes"]:
        """Return it."""
        return stream[-1]


class BatchFirst(nn.Module):
    """Reads all steps."""

    def forward(self, stream: Float[Tensor, "time batch classes"]) -> Float[Tensor, "batch time classes"]:
        """Return them."""
        return stream.transpose(0, 1)


def of_pictures(shape: Shape, classes: int) -> nn.Module:
    """Return the network that reads pictures."""
    return nn.Sequential(Brightest(), Memory(prod(shape), classes))


def of_sequences(shape: Shape, classes: int) -> nn.Module:
    """Return the network that reads sequences."""
    if len(shape) != 2:
        raise DataError(f"this network is for sequences [time, channels], samples have the shape {list(shape)}")
    return nn.Sequential(InSteps(shape[0]), Memory(shape[1], classes))


def spiking(shape: Shape, classes: int) -> nn.Module:
    """Return a recurrent spiking network that reads pictures, whose outputs fire where the LSTM would be sure."""
    back = nn.Linear(HIDDEN, HIDDEN, bias=False)
    nn.init.orthogonal_(back.weight, 0.5)
    hidden, outputs = Population(LIF(leak=0.9), recurrent=back), Population(Leaky(leak=0.9, theta=THETA), membrane=True)
    layers = nn.Linear(prod(shape), HIDDEN), hidden, nn.Linear(HIDDEN, classes), outputs
    return nn.Sequential(Encode(Latency(STEPS)), nn.Flatten(), *layers)


def pictures_at_last(shape: Shape, classes: int) -> nn.Module:
    """Return the same network, which answers at the last step."""
    return nn.Sequential(*of_pictures(shape, classes).children(), Last())


def sequences_at_last(shape: Shape, classes: int) -> nn.Module:
    """Return the same network, for one answer at the last step, or one at each."""
    return nn.Sequential(*of_sequences(shape, classes).children(), BatchFirst())


def forward(net: nn.Module, x: Tensor, seed: int | None) -> Run:  # noqa: ARG001 - as of every forward
    """Return what the network does, its outputs being events where a class is sure."""
    return answering(net(x))


def begin(net: nn.Module, ann: nn.Module, x: Tensor) -> None:  # noqa: ARG001 - as of every one
    """Begin from the network that answers at the last step."""
    net.load_state_dict(ann.state_dict())


def at_last(run: Run, y: Int[Tensor, "batch *time"]) -> Float[Tensor, ""]:
    """Return the cross entropy of the last step, or of each where each has a label."""
    return losses.cross_entropy(run.output[-1:], y) if y.dim() == 1 else losses.cross_entropy_each(run.output, y)


def ranked(entry: Entry, shape: Shape, classes: int, recipe: Recipe) -> System:
    """Return the system of sequences, beside which stands the network that learns from the last step."""
    return Gradient(built(entry.build, shape, classes, recipe), forward, at_the_answer, recipe, first)


@dataclass(frozen=True)
class Answered:
    """What measures a network of memory cells: nothing spikes but its input, and nothing is done behind the answer."""

    system: System

    @property
    def net(self) -> nn.Module:
        """Its network."""
        return self.system.net

    @property
    def neurons(self) -> dict[str, int]:
        """It has no populations."""
        return {}

    @property
    def steps(self) -> int:
        """Steps of its input."""
        reads = next(module for module in self.net.modules() if isinstance(module, Brightest | InSteps))
        return reads.steps

    def outcome(self, x: Shaped[Tensor, "batch ..."]) -> Outcome:
        """Return what a batch does until its answers."""
        run, (reads, cells) = known(self.system, Gradient).run(x), self.net.children()
        memory = known(cells, Memory)
        decided = first_step(run)
        stream = reads(x)
        read = torch.arange(1, len(stream) + 1)[:, None] <= decided
        events = float((stream != 0).sum(2)[read].sum())
        gates, outputs = 4 * HIDDEN, memory.last.out_features
        numbers = int((stream != stream.sign()).any(2).any(0).sum())
        done = float(decided.sum()) * HIDDEN * (gates + outputs)
        return Outcome(first(run), decided, {}, gates * events, done, gates * events, numbers)


_ADAM = Optimiser("adam", lr=1e-3)
_PICTURES = Entry(
    name="rank",
    what="a memory that reads a picture brightest pixels first, and answers when it is sure",
    source="arXiv 2110.02865",
    published="MNIST 99.19 % after the first step (abstract)",
    data="Fashion-MNIST",
    network=f"LSTM {HIDDEN}",
    codes="single spikes > numbers > first event",
    gradient="through time, of the step of the answer",
    build=of_pictures,
    ann=pictures_at_last,
    forward=forward,
    loss=partial(at_the_answer, entropy=0.3),
    readout="first",
    recipe=Recipe(epochs=4, batch=256, optimiser=_ADAM),
    few=Recipe(epochs=15, batch=32, optimiser=_ADAM),
    standardised=False,
    begin=begin,
    ann_recipe=Recipe(epochs=4, batch=256, optimiser=_ADAM),
    ann_few=Recipe(epochs=15, batch=32, optimiser=_ADAM),
    trial=Answered,
)

ENTRIES = (
    _PICTURES,
    replace(
        _PICTURES,
        name="rank-published",
        what="the same from random weights, by the cross entropy of outputs in (0, 1)",
        loss=partial(at_the_answer, squashed=True),
        begin=None,
    ),
    replace(
        _PICTURES,
        name="rank-spiking",
        what="recurrent spiking neurons that read a picture brightest pixels first; the first output spike answers",
        published="none: beside it",
        network=str(HIDDEN),
        codes="single spikes > spikes > first event",
        gradient="surrogate, of the step of the answer",
        build=spiking,
        ann=mlp(relu, HIDDEN),
        forward=constant(STEPS),
        begin=None,
        ann_recipe=None,
        ann_few=None,
        trial=None,
    ),
    replace(
        _PICTURES,
        name="rank-spotting",
        what="a memory that reads bits, and answers when it is sure whether five in a row are equal",
        published="none on these data",
        data="spotting",
        codes="events > numbers > first event",
        build=of_sequences,
        ann=sequences_at_last,
        loss=at_last,
        readout="last",
        recipe=Recipe(epochs=4, batch=256, optimiser=Optimiser("adam", lr=3e-4), schedule=Constant()),
        few=Recipe(epochs=30, batch=32, optimiser=_ADAM),
        kind="sequences",
        standardised=True,
        begin=None,
        ann_recipe=None,
        ann_few=None,
        make=ranked,
    ),
)
