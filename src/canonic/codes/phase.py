"""Phase coding: binary digits that come back in every period."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.codes.weighted import Weighted, require_sign
from canonic.errors import CanonicError


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
    period: int = 8
    periods: int = 1

    def __post_init__(self) -> None:
        for field, value, most in (("period", self.period, 16), ("periods", self.periods, 256)):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise CanonicError(
                    f"{field} of the code phase must be a whole number from 1 to {most}, got {value!r}: a number has "
                    "period x periods digits"
                )

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

    def encode(
        self, x: Float[Tensor, "*shape"], theta: Float[Tensor, "..."] | float = 1.0, *, signed: bool = False
    ) -> Float[Tensor, "time *shape"]:
        """Return the K binary digits of x, ``floor(2^K x) / 2^K``, in every period: an input is known as a whole."""
        require_sign(self, signed)
        level = (x / theta * 2**self.period).floor().clamp(0, 2**self.period - 1)
        digits = [(level / 2**place).floor() % 2 for place in reversed(range(self.period))]
        return torch.stack(digits * self.periods)

    def to_json(self) -> dict[str, Any]:
        """Return the code as plain data, with its name."""
        return {"name": self.name, "period": self.period, "periods": self.periods}
