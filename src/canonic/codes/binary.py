"""Binary digits, most significant first: radix coding and few-spike neurons."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from canonic.checks import real, whole
from canonic.codes.events import Firing
from canonic.codes.weighted import LayerByLayer
from canonic.errors import CanonicError


@dataclass(frozen=True)
class Binary(LayerByLayer):
    """The T binary digits of a number in [0, 1): ``w[m] = 2^-m``, layer by layer (radix encoding, arXiv 2105.06943).

    A layer equals the T-bit quantisation of ``clip(x, 0, largest)`` bit for bit.

    Args:
        steps: T, 1 to 24.
        rounds: "down", or "nearest": the membrane then starts at half of the last digit.

    Raises:
        CanonicError: if one is out of range.

    >>> import torch
    >>> Binary(steps=4).encode(torch.tensor([0.7])).flatten().tolist()
    [1.0, 0.0, 1.0, 1.0]
    """

    name: ClassVar[str] = "binary"
    equations: ClassVar[tuple[str, str]] = ("2^-m", "1")
    source: ClassVar[str] = "arXiv 2105.06943"
    steps: int = 8
    rounds: Literal["down", "nearest"] = "nearest"

    def __post_init__(self) -> None:
        whole(f"steps of the code {self.name}", self.steps, 1, 24, "as many as bits")
        if self.rounds not in ("down", "nearest"):
            raise CanonicError(f"rounds of the code binary must be down or nearest, got {self.rounds!r}")

    @property
    def weights(self) -> tuple[float, ...]:
        """1/2, 1/4, ..., 2^-T."""
        return tuple(2.0**-m for m in range(1, self.steps + 1))

    @property
    def firing(self) -> Firing:
        """From half of the last digit, to round to nearest."""
        return Firing(start=2.0 ** -(self.steps + 1) if self.rounds == "nearest" else 0.0)

    def quantise(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return ``floor(2^T x + 1/2) / 2^T``, or without the half, within 0 and the largest."""
        half, levels = 0.5 * (self.rounds == "nearest"), 2.0**self.steps
        return (x * levels + half).floor().clamp(0, levels - 1) / levels


@dataclass(frozen=True)
class FewSpike(LayerByLayer):
    """The few-spike neuron of ReLU (Stoeckl and Maass 2021): digits worth ``alpha 2^-m``, where a bar has to be passed.

    ``out = clip((ceil(x / lsb) - 1) lsb, 0, largest)`` with ``lsb = alpha 2^-T``.

    Args:
        steps: T, 1 to 24.
        alpha: twice the worth of the first digit, in units of theta.

    Raises:
        CanonicError: if one is out of range.
    """

    name: ClassVar[str] = "few-spike"
    equations: ClassVar[tuple[str, str]] = ("alpha 2^-m", "1")
    source: ClassVar[str] = "Stoeckl and Maass 2021"
    steps: int = 8
    alpha: float = 1.0

    def __post_init__(self) -> None:
        whole(f"steps of the code {self.name}", self.steps, 1, 24, "as many as bits")
        if not 0 < real("alpha", self.alpha, "1 is usual") < 1e6:
            raise CanonicError(f"alpha of the code few-spike must be a positive number, got {self.alpha!r}: 1 is usual")

    @property
    def weights(self) -> tuple[float, ...]:
        """alpha / 2, alpha / 4, ..."""
        return tuple(self.alpha * 2.0**-m for m in range(1, self.steps + 1))

    @property
    def firing(self) -> Firing:
        """Where the bar is passed."""
        return Firing(strict=True)

    def quantise(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return ``(ceil(x / lsb) - 1) lsb``, within 0 and the largest."""
        lsb = self.weights[-1]
        return ((x / lsb).ceil() - 1).clamp(0, 2.0**self.steps - 1) * lsb
