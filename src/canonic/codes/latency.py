"""Latency codes: one spike, the earlier the larger the number."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.checks import real, whole
from canonic.codes.events import Firing
from canonic.codes.rate import LONGEST
from canonic.codes.weighted import LayerByLayer
from canonic.errors import CanonicError


@dataclass(frozen=True)
class Latency(LayerByLayer):
    """At most one spike; at step m it is worth ``(T - m + 1) / T``: a linear time to first spike.

    A population listens for all T steps before it sends, so that a layer is the quantised clipped ReLU exactly:
    ``floor(T clip(x, 0, 1)) / T`` (Rueckauer and Liu, ISCAS 2018).

    Args:
        steps: T, 1 to 4096.

    Raises:
        CanonicError: if they are out of range.

    >>> import torch
    >>> Latency(steps=4).encode(torch.tensor([0.6])).flatten().tolist()
    [0.0, 0.0, 1.0, 0.0]
    """

    name: ClassVar[str] = "latency"
    equations: ClassVar[tuple[str, str]] = ("(T - m + 1)/T", "1")
    source: ClassVar[str] = "Rueckauer and Liu, ISCAS 2018"
    steps: int = 32

    def __post_init__(self) -> None:
        whole(f"steps of the code {self.name}", self.steps, 1, LONGEST, "each layer adds as many")

    @property
    def weights(self) -> tuple[float, ...]:
        """1, (T-1)/T, ..., 1/T."""
        return tuple((self.steps - m) / self.steps for m in range(self.steps))

    @property
    def firing(self) -> Firing:
        """Once."""
        return Firing(once=True)

    def quantise(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the largest weight that is at most x; 0 if all are larger."""
        ascending = x.new_tensor((0.0, *reversed(self.weights)))
        return ascending[torch.bucketize(x.contiguous(), ascending[1:], right=True)]


@dataclass(frozen=True)
class ExponentialLatency(Latency):
    """At most one spike; at step m it is worth ``exp(-(m - 1 - t_d) / tau)`` (Park et al., T2FSNN, DAC 2020).

    The decoded number is the largest weight not above x, within a relative error of ``1 - e^(-1/tau)``.

    Args:
        steps: T.
        tau: steps in which the worth of a spike falls to 1/e.
        delay: t_d, the step at which it is 1.

    Raises:
        CanonicError: if one is out of range.
    """

    name: ClassVar[str] = "exponential-latency"
    equations: ClassVar[tuple[str, str]] = ("exp(-(m - 1 - t_d)/tau)", "1")
    source: ClassVar[str] = "Park et al., DAC 2020"
    steps: int = 32
    tau: float = 8.0
    delay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < real("tau", self.tau, "8 is usual") < math.inf:
            raise CanonicError(f"tau of the code {self.name} must be a positive number of steps, got {self.tau!r}")
        if not 0 <= real("delay", self.delay, "0 is usual") <= self.steps:
            raise CanonicError(f"delay of the code {self.name} must lie in [0, {self.steps}], got {self.delay!r}")

    @property
    def weights(self) -> tuple[float, ...]:
        """exp(-(m - 1 - t_d) / tau)."""
        return tuple(math.exp(-(m - self.delay) / self.tau) for m in range(self.steps))
