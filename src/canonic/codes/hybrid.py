"""An input that is a number at first, and one spike after it."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.checks import holds, whole
from canonic.codes.encoders import Budget
from canonic.codes.rate import LONGEST
from canonic.errors import CanonicError


@dataclass(frozen=True)
class HybridInput:
    """At step 1 the number x itself, in [0, 1]; then one spike at the step t = 2 .. T whose band holds it.

    Bands are as wide as each other and fall: ``1 - (t - 1) / (T - 1) < x <= 1 - (t - 2) / (T - 1)``; 0 sends no spike
    (Datta, Kundu and Beerel, arXiv 2107.12374).

    Args:
        steps: T, 1 to 4096.

    Raises:
        CanonicError: if they are out of range.

    >>> HybridInput(steps=3).encode(torch.tensor([0.9, 0.5, 0.0])).tolist()
    [[0.8999999761581421, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    steps: int = 5

    def __post_init__(self) -> None:
        whole("steps of HybridInput", self.steps, 1, LONGEST, "5 are usual")

    def encode(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "time *shape"]:
        """Return the number, then its spike.

        Raises:
            CanonicError: if a number is outside [0, 1].
        """
        if not holds((x >= 0) & (x <= 1)):
            raise CanonicError(f"HybridInput sends numbers from 0 to 1, got {x.min():.4g} to {x.max():.4g}: scale them")
        bands = [1 - band / max(self.steps - 1, 1) for band in range(self.steps)]
        spikes = [(low < x) & (x <= high) for high, low in pairwise(bands)]
        return torch.stack([x, *(each.to(x.dtype) for each in spikes)])

    def decode(self, train: Float[Tensor, "time *shape"]) -> Float[Tensor, "*shape"]:
        """Return the upper end of the band of the spike, all that is known of a number without its first step."""
        bands = torch.arange(self.steps - 1, dtype=train.dtype, device=train.device)
        ends: Tensor = torch.tensordot(1 - bands / max(self.steps - 1, 1), train[1:], dims=1)
        return ends

    @property
    def budget(self) -> Budget:
        """Its spikes and its error without the first step; a number at that counts as one event more."""
        return Budget(self.steps, 2.0 if self.steps > 1 else 1.0, 1 / max(self.steps - 1, 1))
