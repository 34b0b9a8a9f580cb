"""Leaky neurons beside LIF: one whose reset comes with the next step, one that fires once, one that never fires."""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from jaxtyping import Float
from torch import Tensor

from canonic.neurons.rules import POSITIVE, UNIT, Fire, Potential, Resting, State, StateType
from canonic.neurons.surrogate import Surrogate, atan, triangle


class Fired(NamedTuple):
    """The state of a neuron that has a membrane, and a mark of what it fired."""

    u: Float[Tensor, "batch *shape"]
    fired: Float[Tensor, "batch *shape"]


@dataclass(frozen=True)
class Leaky(Resting):
    """The neuron of snnTorch: ``u = leak u + I - theta s[t-1]; s = H(u - theta)``.

    Its reset comes with the next step, and does not leak (Eshraghian et al., arXiv 2109.12894).

    Args:
        leak: what is left of the membrane after a step, in (0, 1].
        theta: the threshold, above 0.
        fire: how v = u - theta becomes spikes, and their gradient.
        detach_reset: whether no gradient goes through the reset.

    Raises:
        CanonicError: if one is out of range.

    >>> import torch
    >>> rule, state = Leaky(leak=0.5), Leaky().rest(torch.zeros(1))
    >>> for current in (1.5, 0.25):
    ...     state, spikes = rule.step(state, torch.tensor([current]))
    >>> spikes.tolist(), state.u.tolist()
    ([0.0], [0.0])
    """

    leak: float | Tensor = field(default=0.9, metadata=UNIT)
    theta: float | Tensor = field(default=1.0, metadata=POSITIVE)
    fire: Fire = field(default_factory=lambda: Surrogate(atan()))
    detach_reset: bool = False

    rests: ClassVar[StateType] = Fired

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Fired, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        u = self.leak * state[0] + current - self.theta * state[1]
        s = self.fire(u - self.theta)
        return Fired(u, s.detach() if self.detach_reset else s), s


@dataclass(frozen=True)
class SingleSpike(Resting):
    """A neuron that fires at most once: ``u = leak u + I; s = H(u - theta) (1 - fired); u -= theta s``.

    (Datta, Kundu and Beerel, arXiv 2107.12374; the details are derived, docs/systems.md says how.)

    Args:
        leak: what is left of the membrane after a step, in (0, 1].
        theta: the threshold, above 0.
        fire: how v = u - theta becomes spikes, and their gradient.

    Raises:
        CanonicError: if one is out of range.

    >>> import torch
    >>> rule, state, train = SingleSpike(leak=1.0), SingleSpike().rest(torch.zeros(1)), []
    >>> for _ in range(4):
    ...     state, spikes = rule.step(state, torch.tensor([0.5]))
    ...     train.append(spikes.item())
    >>> train
    [0.0, 1.0, 0.0, 0.0]
    """

    leak: float | Tensor = field(default=0.9, metadata=UNIT)
    theta: float | Tensor = field(default=1.0, metadata=POSITIVE)
    fire: Fire = field(default_factory=lambda: Surrogate(triangle(gamma=0.3)))

    rests: ClassVar[StateType] = Fired

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Fired, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        u, fired = self.leak * state[0] + current, state[1]
        s = self.fire(u - self.theta) * (1 - fired)
        return Fired(u - self.theta * s, fired + s.detach()), s


@dataclass(frozen=True)
class Integrator(Resting):
    """A neuron that never fires, and sends its membrane: ``u = leak u + I``. An output that is read as a number.

    Args:
        leak: what is left of the membrane after a step, in (0, 1].

    Raises:
        CanonicError: if it is out of range.

    >>> import torch
    >>> rule = Integrator(leak=0.5)
    >>> state, sent = rule.step(rule.rest(torch.zeros(1)), torch.ones(1))
    >>> import torch
    >>> rule.step(state, torch.ones(1))[1].tolist()
    [1.5]
    """

    leak: float | Tensor = field(default=1.0, metadata=UNIT)

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Potential, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        u = self.leak * state[0] + current
        return Potential(u), u
