"""A neuron that may send several spikes at once, with the gradient of what it would send without whole numbers."""

from dataclasses import dataclass, field
from math import log2

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.checks import whole
from canonic.neurons.rules import POSITIVE, Potential, Resting, State


@dataclass(frozen=True)
class Bursting(Resting):
    """Integrate and fire in bursts: ``u += I; k = floor(clamp(u / theta, 0, most)); u -= theta k``; sends ``theta k``.

    ``dk/du = 1 / theta`` where the clamp lets it pass (Yang et al., TPAMI 2024, arXiv 2305.16594). A constant current
    up to ``most theta`` is sent as ``floor(T I / theta)`` spikes, as in the code ``burst`` from rest.

    Args:
        theta: the threshold, and what a spike is worth, above 0.
        most: spikes of one step, 1 to 64.

    Raises:
        CanonicError: if one is out of range.

    >>> rule = Bursting(theta=0.5, most=3)
    >>> state, sent = rule.step(rule.rest(torch.zeros(2)), torch.tensor([1.25, 9.0]))
    >>> sent.tolist(), state.u.tolist()
    ([1.0, 1.5], [0.25, 7.5])
    """

    theta: float | Tensor = field(default=1.0, metadata=POSITIVE)
    most: int = 5

    def __post_init__(self) -> None:
        whole("most of Bursting", self.most, 1, 64, "spikes of one step; 5 is usual")
        super().__post_init__()

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Potential, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        u = state[0] + current
        held = (u / self.theta).clamp(0, self.most)
        sent = self.theta * (held + (held.floor() - held).detach())
        return Potential(u - sent), sent

    @property
    def bits(self) -> float:
        """What the spikes of a step carry: log2 of how many they may be."""
        return log2(self.most + 1)

    def counts(self, sent: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return how many spikes each number is that it sent."""
        return (sent / self.theta).round()

    def response(self, mean: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """Return the mean that it sends at a mean current, ``clip(I, 0, most theta)``."""
        theta = torch.as_tensor(self.theta, dtype=mean.dtype, device=mean.device)
        return mean.clamp(torch.zeros_like(theta), self.most * theta)
