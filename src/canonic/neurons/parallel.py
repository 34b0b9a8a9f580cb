"""Neurons whose steps run at once: their state is estimated from the currents, or is a sum over all of them."""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Never

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.errors import CanonicError
from canonic.neurons.rules import OF_PAIRS_OF_STEPS, OF_STEPS, POSITIVE, UNIT, Fire, Resting, State, StateType, admit
from canonic.neurons.surrogate import Surrogate


class Estimate(NamedTuple):
    """The state of MPE: what is taken to be left of the membrane after its reset."""

    m: Float[Tensor, "batch *shape"]


@dataclass(frozen=True)
class MPE(Resting):
    """The membrane potential estimation neuron (arXiv 2409.04978)::

        B[t] ~ Bernoulli(sigmoid(I[t]));    m[t] = (1 - B[t]) I[t],  m[0] = 0
        h[t] = I[t] + tau m[t-1];           s[t] = H(h[t] - theta)

    What the reset leaves is estimated from the current alone, so that step t depends on the currents t - 1 and t. In
    ``eval()`` without a seed the expectation ``(1 - sigmoid(I)) I`` stands for m. B has no gradient.

    Args:
        tau: what is left of the membrane after a step, in (0, 1].
        theta: the threshold, above 0.
        share: by whose softmax each step weighs in the loss, ``[T]``; all the same if None.
        fire: how v = h - theta becomes spikes, and their gradient.

    Raises:
        CanonicError: if one is out of range.

    >>> MPE().run(torch.tensor([[0.5], [0.99], [2.0]]), torch.full((3, 1), 0.9)).flatten().tolist()
    [0.0, 1.0, 1.0]
    """

    tau: float | Tensor = field(default=0.25, metadata=UNIT)
    theta: float | Tensor = field(default=1.0, metadata=POSITIVE)
    share: Tensor | None = field(default=None, metadata=OF_STEPS)
    fire: Fire = field(default_factory=Surrogate)

    rests: ClassVar[StateType] = Estimate
    random: ClassVar[bool] = True
    expectation: ClassVar[bool] = True

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Estimate, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        h = current + self.tau * state[0]
        return Estimate(_estimated(current, draw)), self.fire(h - self.theta)

    def run(
        self, currents: Float[Tensor, "time batch *shape"], draws: Float[Tensor, "time batch *shape"] | None = None
    ) -> Float[Tensor, "time batch *shape"]:
        """Return the spikes of all steps, computed at once."""
        return self.fire(self._membranes(currents, _estimated(currents, draws)) - self.theta)

    def loss(
        self,
        currents: Float[Tensor, "time batch *shape"],
        spikes: Float[Tensor, "time batch *shape"],
        draws: Float[Tensor, "time batch *shape"] | None = None,
    ) -> Float[Tensor, "time"]:
        """Return how far each estimate is from what the reset did leave, ``share[t] mean (m[t] - (1 - s[t]) h[t])^2``.

        As published the shares are free, and the sum of these has no lower bound; here they are positive and sum to 1.
        """
        estimated = _estimated(currents, draws)
        left = (1 - spikes) * self._membranes(currents, estimated)
        each = (estimated - left).square().flatten(1).mean(1)
        return each / len(each) if self.share is None else each * self.share.softmax(0)

    def _membranes(self, currents: Tensor, estimated: Tensor) -> Float[Tensor, "time batch *shape"]:
        """Return h."""
        before = torch.cat([torch.zeros_like(estimated[:1]), estimated[:-1]])
        return currents + self.tau * before


def _estimated(currents: Tensor, draws: Tensor | None) -> Float[Tensor, "*shape"]:
    """Return m."""
    if draws is None:
        return (1 - torch.sigmoid(currents)) * currents
    return (draws >= torch.sigmoid(currents)) * currents


@dataclass(frozen=True)
class PSN:
    """The parallel spiking neuron: ``h = W I`` over all steps, ``s = H(h - theta)``; no reset (arXiv 2304.12760).

    Args:
        weight: W, ``[T, T]``; below the diagonal for a neuron that does not look ahead.
        theta: the threshold of each step, ``[T]`` or one, above 0.
        fire: how v = h - theta becomes spikes, and their gradient.

    Raises:
        CanonicError: if one is out of range.

    >>> PSN(torch.ones(2, 2).tril()).run(torch.tensor([[0.5], [0.5]])).flatten().tolist()
    [0.0, 1.0]
    """

    weight: Tensor = field(metadata=OF_PAIRS_OF_STEPS)
    theta: float | Tensor = field(default=1.0, metadata={**POSITIVE, **OF_STEPS})
    fire: Fire = field(default_factory=Surrogate)

    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.weight.dim() != 2 or self.weight.shape[0] != self.weight.shape[1]:
            raise CanonicError(f"weight of PSN must be [T, T], got {list(self.weight.shape)}: a row for each step")
        admit(self)

    def rest(self, _like: Float[Tensor, "batch *shape"]) -> Never:
        """Refuse: it has no state.

        Raises:
            CanonicError: always.
        """
        raise CanonicError("PSN has no step: each of its spikes reads the currents of all steps; run it by unroll()")

    def step(
        self, _state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> Never:
        """Refuse: it has no step.

        Raises:
            CanonicError: always.
        """
        self.rest(current)

    def run(
        self, currents: Float[Tensor, "time batch *shape"], _draws: Float[Tensor, "time batch *shape"] | None = None
    ) -> Float[Tensor, "time batch *shape"]:
        """Return the spikes of all steps.

        Raises:
            CanonicError: if there are other steps than T.
        """
        if len(currents) != len(self.weight):
            raise CanonicError(f"PSN has {len(self.weight)} steps, and {len(currents)} run: give both the same")
        theta = torch.as_tensor(self.theta).to(currents).view(-1, *[1] * (currents.dim() - 1))
        return self.fire(torch.tensordot(self.weight.to(currents), currents, dims=1) - theta)
