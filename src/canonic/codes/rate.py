"""Rate codes: the number is the share of steps with a spike."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from canonic.checks import whole
from canonic.codes.events import Alphabet, Firing
from canonic.codes.weighted import LayerByLayer, Weighted

LONGEST = 4096
"""Steps of the longest train."""


@dataclass(frozen=True)
class Rate(Weighted):
    """Integrate and fire: ``w = 1/T``, ``n[m] = m/T``; a spike where the membrane reaches the threshold, reset by it.

    A neuron starts at half its threshold, so that the count of a constant x is ``floor(T x / theta + 1/2)``
    (Rueckauer et al. 2017; the start after Bu et al., ICLR 2022).

    Args:
        steps: T, 1 to 4096.

    Raises:
        CanonicError: if they are out of range.

    >>> import torch
    >>> Rate(steps=4).encode(torch.tensor([0.6])).flatten().tolist()
    [1.0, 0.0, 1.0, 0.0]
    """

    name: ClassVar[str] = "rate"
    equations: ClassVar[tuple[str, str]] = ("1/T", "m/T")
    source: ClassVar[str] = "Rueckauer et al. 2017; start at half a threshold: Bu et al., ICLR 2022"
    steps: int = 32

    def __post_init__(self) -> None:
        whole(f"steps of the code {self.name}", self.steps, 1, LONGEST, "8 to 64 are usual")

    @property
    def weights(self) -> tuple[float, ...]:
        """Every spike is worth 1/T."""
        return (1 / self.steps,) * self.steps

    @property
    def norms(self) -> tuple[float, ...]:
        """After m steps m/T of the number can have arrived."""
        return tuple(m / self.steps for m in range(1, self.steps + 1))

    @property
    def gains(self) -> tuple[float, ...]:
        """Exactly 1 where all spikes are worth as much: a constant is then the same at every step."""
        return (1.0,) * self.steps if len(set(self.weights)) == 1 else super().gains

    @property
    def firing(self) -> Firing:
        """At the threshold, from half of it."""
        return Firing(start=0.5 / self.steps)

    def quantise(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return ``floor(T x + 1/2) / T``, within 0 and 1."""
        return (x * self.steps + 0.5).floor().clamp(0, self.steps) / self.steps


@dataclass(frozen=True)
class SignedRate(Rate):
    """A rate code that takes spikes back: -1 where the membrane falls to minus the threshold, once there is one.

    The signed neuron with memory (Wang et al., IJCAI 2022): what was sent never stands for a negative number, and a
    current that changes its sign leaves no spikes behind.

    >>> import torch
    >>> SignedRate(steps=4).respond(torch.tensor([[0.3], [-0.5], [0.0], [0.0]])).flatten().tolist()
    [1.0, -1.0, 0.0, 0.0]
    """

    name: ClassVar[str] = "signed-rate"
    source: ClassVar[str] = "Wang et al., IJCAI 2022"
    steps: int = 32

    @property
    def alphabet(self) -> Alphabet:
        """-1, 0, +1."""
        return Alphabet(signed=True)


@dataclass(frozen=True)
class Count(LayerByLayer):
    """Spikes are counted: a population listens for T steps, then sends ``floor(T clip(x, 0, 1))`` spikes.

    What arrives, and when, changes nothing but the sum: a layer is the quantised clipped ReLU exactly, as networks of
    tandem learning are trained (Wu et al., arXiv 2007.01204).

    Args:
        steps: T, 1 to 4096.

    Raises:
        CanonicError: if they are out of range.

    >>> import torch
    >>> Count(steps=4).encode(torch.tensor([0.6])).flatten().tolist()
    [1.0, 1.0, 0.0, 0.0]
    """

    name: ClassVar[str] = "count"
    equations: ClassVar[tuple[str, str]] = ("1/T", "1")
    source: ClassVar[str] = "Wu et al., arXiv 2007.01204"
    steps: int = 16

    def __post_init__(self) -> None:
        whole(f"steps of the code {self.name}", self.steps, 1, LONGEST, "each layer adds as many")

    @property
    def weights(self) -> tuple[float, ...]:
        """Every spike is worth 1/T."""
        return (1 / self.steps,) * self.steps

    def quantise(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return ``floor(T x) / T``, within 0 and 1."""
        return (x * self.steps).floor().clamp(0, self.steps) / self.steps
