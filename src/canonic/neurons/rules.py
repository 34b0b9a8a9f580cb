"""Rules: how a population of a trained network moves. One pure step, state and current in, state and spikes out.

A rule is a frozen dataclass; its fields are numbers, or tensors that broadcast against one sample. What a field may be
stands in its metadata, so that whoever trains it keeps it there: ``UNIT`` (0, 1], ``POSITIVE``, or free. ``OF_STEPS``
is one of the steps of a run, not of neurons, and ``OF_PAIRS_OF_STEPS`` has two axes of them.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.checks import holds, real
from canonic.errors import CanonicError
from canonic.neurons.surrogate import Surrogate

Fire = Surrogate
UNIT: Mapping[str, str] = {"domain": "unit"}
POSITIVE: Mapping[str, str] = {"domain": "positive"}
OF_STEPS: Mapping[str, int] = {"axes": 1}
OF_PAIRS_OF_STEPS: Mapping[str, int] = {"axes": 2}
_BOUNDS = {"unit": (1.0, "in (0, 1]"), "positive": (sys.float_info.max, "above 0 and finite")}

State = tuple[Tensor, ...]
"""A NamedTuple of tensors ``[batch, *shape]``, by which a population continues where it was."""

StateType = type[State]


@runtime_checkable
class Rule(Protocol):
    """What a population needs to know of its neurons.

    A rule whose steps all follow from the currents alone may have ``run(currents, draws) -> spikes``, all
    ``[time, batch, *shape]`` and equal to the scan of its step; one with a loss of its own has
    ``loss(currents, spikes, draws) -> [time]``; a random one that can do with an expectation has ``expectation``;
    one of which the mean of what it sends is known has ``response(mean current)``; one that may send several spikes
    at once has ``counts``, from what it sent to their number, and ``bits``, what that number may carry.
    """

    random: ClassVar[bool]

    def rest(self, like: Float[Tensor, "batch *shape"], /) -> State:
        """Return the state before the first step, of neurons that get such a current."""
        ...

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], draw: Float[Tensor, "batch *shape"] | None = None, /
    ) -> tuple[State, Float[Tensor, "batch *shape"]]:
        """Return the state after a step and its spikes.

        Args:
            state: after the step before.
            current: of this step.
            draw: uniform numbers in [0, 1), one a neuron, where the rule is random.
        """
        ...


class Potential(NamedTuple):
    """The state of a neuron that has nothing but a membrane."""

    u: Float[Tensor, "batch *shape"]


def admit(rule: object) -> None:
    """Check the fields of a rule against what their metadata say.

    Raises:
        CanonicError: if one is outside; the message names it.
    """
    for each in fields(rule):  # type: ignore[arg-type]
        name, value = f"{each.name} of {type(rule).__name__}", getattr(rule, each.name)
        if domain := each.metadata.get("domain"):
            _within(name, value, *_BOUNDS[domain])
        elif each.name == "fire" and not callable(value):
            raise CanonicError(f"{name} makes spikes of u - theta, and cannot be {value!r}: take Surrogate(triangle())")
        elif isinstance(value, float | Tensor) and not _finite(value):
            raise CanonicError(f"{name} holds NaN or infinity: give numbers")


def _finite(value: float | Tensor) -> bool:
    """Say whether all numbers are finite; what a parameter was mapped to is told where the loss is."""
    if isinstance(value, Tensor):
        return value.requires_grad or holds(value.isfinite())
    return math.isfinite(value)


def _within(name: str, value: object, highest: float, words: str) -> None:
    """Check a field; what a parameter was mapped to lies inside by how it was mapped."""
    if isinstance(value, Tensor):
        inside = value.requires_grad or holds((value > 0) & (value <= highest))
    else:
        inside = 0 < real(name, value, f"it must be {words}") <= highest
    if not inside:
        raise CanonicError(f"{name} must be {words}, got {value}")


class Resting:
    """What most rules are: fields that are checked, and a state that is 0 at rest.

    Attributes:
        random: whether a step needs a draw.
        rests: the state, a NamedTuple of tensors.
    """

    random: ClassVar[bool] = False
    rests: ClassVar[StateType] = Potential

    def __post_init__(self) -> None:
        admit(self)

    def rest(self, like: Float[Tensor, "batch *shape"], /) -> State:
        """Return the state before the first step."""
        return self.rests(*(torch.zeros_like(like) for _ in self.rests.__annotations__))


@dataclass(frozen=True)
class LIF(Resting):
    """The leaky integrate-and-fire neuron: ``u = leak u + I; s = H(u - theta)``; ``u -= theta s``, or ``u (1 - s)``.

    A leak of 1 is a neuron that does not leak (Gerstner et al., Neuronal dynamics, 2014, chapter 1, in steps).

    Args:
        leak: what is left of the membrane after a step, in (0, 1].
        theta: the threshold, above 0.
        reset: "soft" takes the threshold away, "hard" empties the membrane.
        fire: how v = u - theta becomes spikes, and their gradient.
        detach_reset: whether no gradient goes through the reset.

    Raises:
        CanonicError: if one is out of range.

    >>> rule = LIF(leak=0.5)
    >>> state = rule.rest(torch.zeros(1))
    >>> for _ in range(2):
    ...     state, spikes = rule.step(state, torch.tensor([0.75]))
    >>> spikes.tolist(), state.u.tolist()
    ([1.0], [0.125])
    """

    leak: float | Tensor = field(default=0.9, metadata=UNIT)
    theta: float | Tensor = field(default=1.0, metadata=POSITIVE)
    reset: str = "soft"
    fire: Fire = field(default_factory=Surrogate)
    detach_reset: bool = False

    def __post_init__(self) -> None:
        if self.reset not in ("soft", "hard"):
            raise CanonicError(f"reset of LIF must be soft or hard, got {self.reset!r}: soft keeps what is above theta")
        super().__post_init__()

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Potential, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        u = self.leak * state[0] + current
        s = self.fire(u - self.theta)
        r = s.detach() if self.detach_reset else s
        return Potential(u - self.theta * r if self.reset == "soft" else u * (1 - r)), s

    def response(self, mean: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """Return the mean that it sends at a mean current, ``clip(I / theta, 0, 1)``.

        With a leak both means weigh step t by ``leak^(T - t)``.
        """
        return (mean / self.theta).clamp(0, 1)


@dataclass(frozen=True)
class IF(Resting):
    """Integrate and fire, a spike being worth theta: ``u += I; s = H(u - at theta); u -= theta s``; sends ``theta s``.

    So ``sum of what it sent = sum of I - u[T]``, and with ``at = 1/2`` the mean that it sends is nearest to the mean of
    a constant current (Meng et al., arXiv 2205.00459).

    Args:
        theta: the threshold, and what a spike is worth, above 0.
        at: the part of theta at which it fires, in (0, 1].
        fire: how v = u - at theta becomes spikes, and their gradient.

    Raises:
        CanonicError: if one is out of range.

    >>> rule = IF(theta=2.0, at=0.5)
    >>> state, sent = rule.step(rule.rest(torch.zeros(1)), torch.tensor([1.5]))
    >>> sent.tolist(), state.u.tolist()
    ([2.0], [-0.5])
    """

    theta: float | Tensor = field(default=1.0, metadata=POSITIVE)
    at: float = field(default=1.0, metadata=UNIT)
    fire: Fire = field(default_factory=Surrogate)

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Potential, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        u = state[0] + current
        sent = self.theta * self.fire(u - self.at * self.theta)
        return Potential(u - sent), sent

    def response(self, mean: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """Return the mean that it sends at a mean current, ``clip(I, 0, theta)``."""
        theta = torch.as_tensor(self.theta, dtype=mean.dtype, device=mean.device)
        return mean.clamp(torch.zeros_like(theta), theta)
