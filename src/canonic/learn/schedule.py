"""Time belongs to the scheduler, not to the network: an ordinary module, run over steps.

``unroll`` runs all steps of a layer at once, time folded into the batch (rows, ``[time * batch, *shape]``); ``tick``
runs all layers one step, its state passed and returned. Both are one pass of the module in a ``Schedule``, which tells
its populations how many steps the rows hold; nothing outlives the call.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from canonic.checks import whole
from canonic.errors import DataError
from canonic.neurons.rules import State
from canonic.neurons.running import seeded
from canonic.words import one


class Memory(NamedTuple):
    """By what a module continues at the next step.

    Attributes:
        state: of its neurons; the mask of a dropout; the train of an encoder.
        sent: its spikes of the step before, ``[batch, *shape]``, where they come back to it.
        noise: the state of its generator, where it is random and seeded.
    """

    state: State
    sent: Tensor | None = None
    noise: Tensor | None = None


@dataclass
class Schedule:
    """One pass of a network: what its modules need to know, and what they leave.

    Attributes:
        steps: that the rows hold: T, or 1 in a tick.
        batch: samples.
        names: of all modules, by what ``identity`` gives.
        before: what modules remember of the step before; None where all steps are run at once, from rest.
        seed: of all random modules, each with a generator of its own; None draws from torch's.
        segment: steps between the states that are kept for the backward pass; None keeps all.
        marks: nothing is run: modules mark their places, for ``torch.export``.
        after: as ``before``, for the next step.
        spikes: of each population, ``[time, batch, *shape]``.
        losses: of each population whose rule has one, ``[time]``.
        membranes: of each population that keeps them, ``[time, batch, *shape]``.
    """

    steps: int
    batch: int
    names: Mapping[int, str]
    before: Mapping[str, Memory] | None = None
    seed: int | None = None
    segment: int | None = None
    marks: bool = False
    after: dict[str, Memory] = field(default_factory=dict)
    spikes: dict[str, Tensor] = field(default_factory=dict)
    losses: dict[str, Tensor] = field(default_factory=dict)
    membranes: dict[str, Tensor] = field(default_factory=dict)

    def stream(self, rows: Float[Tensor, "rows *shape"], name: str) -> Float[Tensor, "time batch *shape"]:
        """Return rows with their time; rows of one step are the same at each.

        Raises:
            DataError: if they are neither.
        """
        if len(rows) == self.steps * self.batch:
            return rows.view(self.steps, self.batch, *rows.shape[1:])
        if len(rows) == self.batch:
            return rows.expand(self.steps, *rows.shape)
        raise DataError(
            f"{name or 'the network'} has {len(rows)} rows, where {self.steps} steps of {self.batch} samples are "
            f"{self.steps * self.batch}, and a constant has {self.batch}: keep the first dimension for the samples"
        )

    def remembered(self, name: str) -> Memory | None:
        """Return what a module left after the step before."""
        return None if self.before is None else self.before.get(name)

    def held(self, name: str, first: Callable[[], State]) -> State:
        """Return what a module holds over all steps: that of its first call, for all that follow."""
        memory = self.after.get(name) or self.remembered(name) or Memory(first())
        self.after[name] = memory
        return memory.state

    def generator(self, name: str, like: Tensor) -> torch.Generator | None:
        """Return the generator of a module where it was left; None where torch's is meant."""
        if self.seed is None:
            return None
        memory = self.remembered(name)
        return seeded(self.seed, name, like.device, None if memory is None else memory.noise)


_CURRENT: ContextVar[Schedule | None] = ContextVar("canonic.learn.schedule", default=None)


def identity(module: nn.Module) -> int:
    """Return what tells a module from all others, and is the same of what ``torch.export`` calls in its place.

    Where a network has a module at two places, that is a stand-in for each module, which shares its attributes.
    """
    return id(vars(module))


def scheduled(module: nn.Module, *, again: bool = False) -> tuple[Schedule, str]:
    """Return the schedule of the pass that a module is called in, and its name there.

    Args:
        module: of the network.
        again: whether it may be called several times in a pass, as what brings spikes back is at each step.

    Raises:
        DataError: if there is none.
    """
    schedule, kind = _CURRENT.get(), one(type(module).__name__)
    if schedule is None:
        raise DataError(
            f"{kind} was called outside unroll() or tick(): it has no steps; call unroll(net, x, steps=4), or make a "
            "spiking network of a trained one by as_network(net, x, steps=4)"
        )
    if identity(module) not in schedule.names:
        raise DataError(f"{kind} was called that is no part of the network: assign it to an attribute of its module")
    name = schedule.names[identity(module)]
    if name in schedule.after and not again:
        raise DataError(f"{name}, {kind}, was called twice in one pass: its state belongs to one place; make another")
    return schedule, name


def in_steps() -> bool:
    """Tell whether a pass of steps is running."""
    return _CURRENT.get() is not None


@contextmanager
def passing(schedule: Schedule) -> Iterator[None]:
    """Make a schedule that of the modules which are called inside."""
    token = _CURRENT.set(schedule)
    try:
        yield
    except RuntimeError as error:
        if "must match the size" in str(error) and schedule.steps > 1:
            raise DataError(
                f"rows of different lengths met ({error}): what is the same at every step has {schedule.batch} rows, a "
                f"stream {schedule.steps * schedule.batch}; put Hold() where what is constant meets spikes"
            ) from error
        raise
    finally:
        _CURRENT.reset(token)


@contextmanager
def marking(net: nn.Module) -> Iterator[None]:
    """Let the modules of a network that belong to time mark their places, instead of running.

    A graph that is captured then has one call of ``canonic::population`` for each, and the rest of the network.
    """
    with passing(Schedule(1, 1, _names(net), marks=True)):
        yield


@dataclass(frozen=True)
class Run:
    """What a network did.

    Attributes:
        output: ``[time, batch, *shape]``.
        spikes: of each population, by its name, ``[time, batch, *shape]``.
        losses: of each population whose rule has one, ``[time]``.
        membranes: of each population that keeps them, ``[time, batch, *shape]``.
        state: of each module after the last step, from which ``tick`` goes on.
        rest: what an output is of which nothing comes.
    """

    output: Float[Tensor, "time batch *shape"]
    spikes: Mapping[str, Tensor] = field(default_factory=dict)
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    membranes: Mapping[str, Tensor] = field(default_factory=dict)
    state: Mapping[str, Memory] = field(default_factory=dict)
    rest: float = 0.0


def unroll(
    net: nn.Module,
    x: Float[Tensor, "..."],
    steps: int | None = None,
    *,
    seed: int | None = None,
    segment: int | None = None,
) -> Run:
    """Run all steps of a network, layer by layer, from rest.

    Args:
        net: an ordinary module with a ``Population`` where a ReLU would stand.
        x: with ``steps``, samples ``[batch, *shape]`` that are the same at each step: what stands before the first
            population is computed once. Without, a stream ``[time, batch, *shape]``.
        steps: T.
        seed: of what is random in it; by default torch's generator, while it trains.
        segment: of how many steps the backward pass keeps one state, and runs the others again: less memory, more time.

    Raises:
        DataError: if the network has no population, is called outside its form, or rows do not fit.

    >>> from canonic.learn import Population
    >>> from canonic.neurons.rules import LIF
    >>> net = nn.Sequential(nn.Flatten(), Population(LIF(leak=1.0)))
    >>> unroll(net, torch.tensor([[0.6]]), steps=4).output.flatten().tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    if steps is None and x.dim() < 2:
        raise DataError(f"a stream is [time, batch, *shape], got {list(x.shape)}: give steps= for a constant input")
    held = steps is not None
    batch, steps = (len(x), whole("steps", steps, 1, 2**20, "take 4", DataError)) if held else (x.shape[1], len(x))
    if segment is not None:
        whole("segment", segment, 1, 2**20, "about the square root of the steps", DataError)
    schedule = Schedule(steps, batch, _names(net), seed=seed, segment=segment)
    output = _passed(net, x if held else x.flatten(0, 1), schedule)
    return Run(output, schedule.spikes, schedule.losses, schedule.membranes, schedule.after)


def tick(
    net: nn.Module, state: Mapping[str, Memory] | None, x: Float[Tensor, "batch *shape"], *, seed: int | None = None
) -> tuple[Mapping[str, Memory], Float[Tensor, "batch *given"]]:
    """Run one step of a network: the state after it, and its output.

    Args:
        net: as for ``unroll``, of which stacked ticks are the equal, in ``eval()``.
        state: after the step before; None is rest.
        x: input of this step.
        seed: the same at each step.

    Raises:
        DataError: as ``unroll``.
    """
    schedule = Schedule(1, len(x), _names(net), before=state or {}, seed=seed)
    output = _passed(net, x, schedule)
    return schedule.after, output[0]


def _names(net: nn.Module) -> Mapping[int, str]:
    return {identity(module): name for name, module in net.named_modules()}


def _passed(net: nn.Module, rows: Tensor, schedule: Schedule) -> Float[Tensor, "time batch *shape"]:
    """Return the output of one pass of a network."""
    with passing(schedule):
        output = net(rows)
    if not schedule.spikes:
        raise DataError("the network has no Population: put one where a ReLU stands")
    if not isinstance(output, Tensor):
        raise DataError(f"a network in time gives one tensor, got {type(output).__name__}: choose one of its outputs")
    return schedule.stream(output, "the output")
