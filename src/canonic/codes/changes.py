"""Encoders of what changes from frame to frame: a sequence of frames ``[time, batch, *shape]`` as events."""

import math
from dataclasses import dataclass
from typing import NoReturn

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.checks import real
from canonic.codes.encoders import Budget
from canonic.errors import CanonicError


@dataclass(frozen=True)
class Delta:
    """Send on delta: how many whole thresholds a number is off the reference, which then moves by as many.

        s[t] = trunc((x[t] - r[t-1]) / theta);    r[t] = r[t-1] + theta s[t],    r[0] = 0

    The receiver holds the same reference, so that ``|r[t] - x[t]| < theta`` after every frame; a constant input sends
    nothing after the first (Miskowicz, Send-on-delta concept, Sensors 2006).

    Args:
        theta: the change that is worth an event, above 0.

    Raises:
        CanonicError: if it is no such number.

    >>> frames = torch.tensor([[0.2], [0.9], [0.9], [0.4]])
    >>> events = Delta(theta=0.25).encode(frames)
    >>> events.flatten().tolist(), Delta(theta=0.25).decode(events).flatten().tolist()
    ([0.0, 3.0, 0.0, -1.0], [0.0, 0.75, 0.75, 0.5])
    """

    theta: float = 0.1

    def __post_init__(self) -> None:
        _require_threshold(self)

    def encode(self, frames: Float[Tensor, "time batch *shape"]) -> Float[Tensor, "time batch *shape"]:
        """Return the events, whole numbers of either sign."""
        reference, events = torch.zeros_like(frames[0]), []
        for frame in frames:
            events.append(((frame - reference) / self.theta).trunc() + 0.0)  # no -0.0
            reference = reference + self.theta * events[-1]
        return torch.stack(events)

    def decode(self, events: Float[Tensor, "time batch *shape"]) -> Float[Tensor, "time batch *shape"]:
        """Return the reference after every frame."""
        return self.theta * events.cumsum(0)

    def budget(self, frames: int) -> Budget:
        """Return the cost of a number that is uniform in [0, 1] and the same in all frames; the error stays below."""
        return Budget(frames, max(0.0, 1 - self.theta), self.theta)


@dataclass(frozen=True)
class Difference:
    """The sign of what a frame differs from the one before, where that is theta or more; the first differs from 0.

    What was too small to be sent is never made up for: it is for the detection of motion, and cannot be decoded.

    Args:
        theta: the change that is worth an event, above 0.

    Raises:
        CanonicError: if it is no such number.

    >>> Difference(theta=0.25).encode(torch.tensor([[0.2], [0.9], [0.9], [0.4]])).flatten().tolist()
    [0.0, 1.0, 0.0, -1.0]
    """

    theta: float = 0.1

    def __post_init__(self) -> None:
        _require_threshold(self)

    def encode(self, frames: Float[Tensor, "time batch *shape"]) -> Float[Tensor, "time batch *shape"]:
        """Return the events -1, 0 and 1."""
        change = frames.diff(dim=0, prepend=torch.zeros_like(frames[:1]))
        return change.sign() * (change.abs() >= self.theta)

    def decode(self, events: Float[Tensor, "time batch *shape"]) -> NoReturn:
        """Refuse.

        Raises:
            CanonicError: always.
        """
        raise CanonicError(
            f"differences of {len(events)} neighbouring frames cannot be decoded: a change is sent as its sign, one "
            f"below {self.theta:g} not at all, and their sum drifts without bound: take Delta, with its reference"
        )

    def budget(self, frames: int) -> Budget:
        """Return the cost of a number that is uniform in [0, 1] and the same in all frames; it cannot be decoded."""
        return Budget(frames, max(0.0, 1 - self.theta), math.inf)


def _require_threshold(encoder: Delta | Difference) -> None:
    name = f"theta of {type(encoder).__name__}"
    if not 0 < real(name, encoder.theta, "0.1 is a tenth of the range") < math.inf:
        raise CanonicError(f"{name} must be a positive number, got {encoder.theta}: 0.1 is a tenth of the range")
