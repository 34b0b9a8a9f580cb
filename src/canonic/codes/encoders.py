"""Encoders of an input, without a neuron: Poisson, rank order, receptive fields. They are no codes of a network.

A train has the shape ``[time, batch, *shape]``. What each costs is its ``budget`` for numbers that are uniform in its
range.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.checks import holds, real, whole
from canonic.codes.latency import Latency
from canonic.codes.rate import LONGEST
from canonic.errors import CanonicError


class Budget(NamedTuple):
    """What it costs to send one number that is uniform in the encoder's range.

    Attributes:
        steps: T.
        spikes: events, on average.
        error: the largest of the decoded number; each encoder says of what.
    """

    steps: int
    spikes: float
    error: float


@dataclass(frozen=True)
class Poisson:
    """At every step a spike of the sign of x with probability ``|x|``: ``s ~ Bern(|x|) sign(x)``, for x in [-1, 1].

    The mean of T steps is x, with the standard deviation ``sqrt(|x| (1 - |x|) / T)`` (Heeger, Poisson model of spike
    generation, 2000; in steps a Bernoulli process).

    Args:
        steps: T, 1 to 4096.
        sends: in so many of them, the first; in the others it is silent, while what was sent passes through a network
            whose neurons take a step. None is all.

    Raises:
        CanonicError: if they are out of range.

    >>> train = Poisson(steps=2000).encode(torch.tensor([-0.5, 1.0]), torch.Generator().manual_seed(0))
    >>> [round(x, 1) for x in Poisson(steps=2000).decode(train).tolist()]
    [-0.5, 1.0]
    """

    steps: int = 32
    sends: int | None = None

    def __post_init__(self) -> None:
        whole("steps of Poisson", self.steps, 1, LONGEST, "four times as many halve the deviation")
        if self.sends is not None:
            whole("sends of Poisson", self.sends, 1, self.steps, "take None for all steps")

    @property
    def sending(self) -> int:
        """The steps in which it sends."""
        return self.steps if self.sends is None else self.sends

    def encode(
        self, x: Float[Tensor, "batch *shape"], generator: torch.Generator
    ) -> Float[Tensor, "time batch *shape"]:
        """Return the spikes -1, 0 and 1 that the generator, which is on the device of x, draws.

        Raises:
            CanonicError: if a number is outside [-1, 1].
        """
        require_range(x, -1)
        drawn = torch.rand((self.steps, *x.shape), generator=generator, device=x.device, dtype=x.dtype)
        spikes = (drawn < x.abs()) * x.sign()
        spikes[self.sending :] = 0
        return spikes

    def decode(self, spikes: Float[Tensor, "time batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """Return the mean of the steps in which it sends."""
        return spikes[: self.sending].mean(0)

    @property
    def budget(self) -> Budget:
        """The error is the largest standard deviation, that at ``|x| = 1/2``."""
        return Budget(self.steps, self.sending / 2, 0.5 / math.sqrt(self.sending))


@dataclass(frozen=True)
class RankOrder:
    """One spike for each of the N numbers of a sample, the largest first: at step ``floor(rank / (N-1) (T-1))``.

    Only their order is sent: an increasing map of the numbers changes nothing. A spike of step t is worth ``q^rank``,
    with the first rank that the step can hold (Thorpe and Gautrais, Rank order coding, 1998).

    Args:
        steps: T, 2 to 4096; N of them tell all ranks apart.
        q: by what each rank is worth less than the one before, between 0 and 1.

    Raises:
        CanonicError: if one is out of range.

    >>> train = RankOrder(steps=3).encode(torch.tensor([[0.2, 7.0, -1.0]]))
    >>> train[:, 0].tolist(), RankOrder(steps=3).decode(train).tolist()
    ([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [[0.5, 1.0, 0.25]])
    """

    steps: int = 32
    q: float = 0.5

    def __post_init__(self) -> None:
        whole("steps of RankOrder", self.steps, 2, LONGEST, "as many as there are numbers tell all ranks apart")
        if not 0 < real("q of RankOrder", self.q, "1/2 is usual") < 1:
            raise CanonicError(f"q of RankOrder must lie between 0 and 1 (exclusive), got {self.q}: 1/2 is usual")

    def encode(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "time batch *shape"]:
        """Return one spike for each number; of equal ones the first is sent first."""
        order = x.flatten(1).argsort(dim=1, descending=True, stable=True)
        ranks = order.argsort(dim=1).view(x.shape)
        when = ranks * (self.steps - 1) // max(order.shape[1] - 1, 1)
        steps = torch.arange(self.steps, device=x.device).view(-1, *[1] * x.dim())
        return (when == steps).to(x.dtype)

    def decode(self, spikes: Float[Tensor, "time batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """Return ``q^rank``."""
        last = spikes[0, 0].numel() - 1
        first = [-(-t * last // (self.steps - 1)) for t in range(self.steps)]
        worth = torch.tensor([self.q**rank for rank in first], device=spikes.device).to(spikes)
        return (worth.view(-1, *[1] * (spikes.dim() - 1)) * spikes).sum(0)

    @property
    def budget(self) -> Budget:
        """The error is that of the rank, as a part of N - 1, which it stays below."""
        return Budget(self.steps, 1.0, 1 / (self.steps - 1))


@dataclass(frozen=True)
class ReceptiveFields:
    """Population coding: a number in [0, 1] as N neurons, each with a Gaussian receptive field, sent by latency.

    Neuron i prefers ``mu_i = i / (N - 1)``; its activity ``y_i = exp(-(x - mu_i)^2 / (2 sigma^2))`` is one spike of the
    code ``latency``. Decoded is ``sum y mu / sum y`` (Bohte, Kok and La Poutre, SpikeProp, 2002). Numbers near 0 and 1
    are drawn inwards, as no neuron prefers numbers beyond: by ``bias`` at the border.

    Args:
        steps: T of the latency code.
        neurons: N, 2 to 1024.
        width: sigma, in distances of neighbours, 1/2 or more.

    Raises:
        CanonicError: if one is out of range.

    >>> code = ReceptiveFields(steps=64, neurons=5)
    >>> train = code.encode(torch.tensor([[0.5]]))
    >>> list(train.shape), round(float(code.decode(train)), 4), round(code.bias, 3)
    ([64, 1, 1, 5], 0.5, 0.13)
    """

    steps: int = 32
    neurons: int = 8
    width: float = 1.0

    def __post_init__(self) -> None:
        whole("steps of ReceptiveFields", self.steps, 2, LONGEST, "more keep the feet of the fields")
        whole("neurons of ReceptiveFields", self.neurons, 2, 1024, "more make the bias at the borders less")
        if not 0.5 <= real("width of ReceptiveFields", self.width, "1 is usual") < math.inf:
            raise CanonicError(f"width of ReceptiveFields must be 1/2 or more, got {self.width}: they have to overlap")

    @property
    def centres(self) -> tuple[float, ...]:
        """What each neuron prefers."""
        return tuple(i / (self.neurons - 1) for i in range(self.neurons))

    @property
    def bias(self) -> float:
        """By how much 0 is decoded too large, and 1 too small, if activities are sent exactly."""
        fields = self.fields(torch.zeros((), dtype=torch.float64))
        return float(self.read(fields))

    def fields(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape neurons"]:
        """Return the activities, 0 to 1, for any encoder to send.

        Raises:
            CanonicError: if a number is outside [0, 1].
        """
        require_range(x, 0)
        distance = (x[..., None] - x.new_tensor(self.centres)) * ((self.neurons - 1) / self.width)
        return torch.exp(-distance.square() / 2)

    def read(self, activities: Float[Tensor, "*shape neurons"]) -> Float[Tensor, "*shape"]:
        """Return ``sum y mu / sum y``."""
        return activities @ activities.new_tensor(self.centres) / activities.sum(-1)

    def encode(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "time batch *shape neurons"]:
        """Return at most one spike of each neuron."""
        return Latency(self.steps).encode(self.fields(x))

    def decode(self, spikes: Float[Tensor, "time batch *shape neurons"]) -> Float[Tensor, "batch *shape"]:
        """Return the number that the decoded activities stand for."""
        return self.read(Latency(self.steps).decode(spikes))

    @property
    def budget(self) -> Budget:
        """The error is the bias at the borders; what the steps round off the activities comes on top.

        A neuron sends where its activity is 1/T or more: within ``sigma sqrt(2 ln T)`` of what it prefers.
        """
        reach = self.width / (self.neurons - 1) * math.sqrt(2 * math.log(self.steps))
        spikes = math.fsum(min(1, mu + reach) - max(0, mu - reach) for mu in self.centres)
        return Budget(self.steps, spikes, self.bias)


def require_range(x: Tensor, least: int) -> None:
    """Raise a CanonicError if a number is not within least and 1."""
    if not holds((x >= least) & (x <= 1)):
        raise CanonicError(f"numbers to encode must lie in [{least}, 1], got {x.min():g} to {x.max():g}: scale them")
