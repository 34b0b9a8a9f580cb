"""Phase coding: binary digits that come back in every period."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.checks import whole
from canonic.codes.weighted import Weighted, require_sign


@dataclass(frozen=True)
class Phase(Weighted):
    """Weighted spikes of period K, P times: ``w[m] = 2^-(1 + (m-1) mod K) / P`` (Kim et al., Neurocomputing 2018).

    ``n[m] = sum_{j<=m} w[j] / (1 - 2^-K)``: a number is whole after each period, and each period refines the mean.

    Args:
        period: K, phases of a period, 1 to 16.
        periods: P.

    Raises:
        CanonicError: if one is out of range.

    >>> code = Phase(period=4, periods=1)
    >>> code.encode(torch.tensor([0.69])).flatten().tolist()
    [1.0, 0.0, 1.0, 1.0]
    """

    name: ClassVar[str] = "phase"
    equations: ClassVar[tuple[str, str]] = ("2^-(1 + (m-1) mod K) / P", "(w[1] + ... + w[m]) / (1 - 2^-K)")
    source: ClassVar[str] = "Kim et al., Neurocomputing 2018"
    period: int = 8
    periods: int = 1

    def __post_init__(self) -> None:
        whole("period of the code phase", self.period, 1, 16, "as many as bits")
        whole("periods of the code phase", self.periods, 1, 256, "each refines the mean")

    @property
    def steps(self) -> int:  # type: ignore[override]
        """T = K P."""
        return self.period * self.periods

    @property
    def weights(self) -> tuple[float, ...]:
        """1/2, 1/4, ... 2^-K, again and again, divided by the periods."""
        return tuple(2.0 ** -(1 + m % self.period) / self.periods for m in range(self.steps))

    @property
    def norms(self) -> tuple[float, ...]:
        """What could have arrived, so that it is 1 after the last period."""
        whole = 1 - 2.0**-self.period
        return tuple(float(n) / whole for n in torch.tensor(self.weights, dtype=torch.float64).cumsum(0))

    @property
    def gains(self) -> tuple[float, ...]:
        """What is constant is known as a whole: it enters with the first digit of each period, and is whole after it.

        Spread over the phases it would come too late: what the first did not send is more than all others hold.
        """
        return tuple(0.0 if m % self.period else 1 / (self.periods * w) for m, w in enumerate(self.weights))

    def encode(
        self, x: Float[Tensor, "*shape"], theta: Float[Tensor, "..."] | float = 1.0, *, signed: bool = False
    ) -> Float[Tensor, "time *shape"]:
        """Return the K binary digits of x, ``floor(2^K x) / 2^K``, in every period: an input is known as a whole."""
        require_sign(self, signed)
        level = self.quantise(x / theta) * 2**self.period
        digits = [(level / 2**place).floor() % 2 for place in reversed(range(self.period))]
        return torch.stack(digits * self.periods)

    def quantise(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return ``floor(2^K x) / 2^K``, within 0 and the largest."""
        levels = 2.0**self.period
        return (x * levels).floor().clamp(0, levels - 1) / levels

    def to_json(self) -> dict[str, Any]:
        """Return the code as plain data, with its name."""
        return {"name": self.name, "period": self.period, "periods": self.periods}
