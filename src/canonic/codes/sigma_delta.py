"""Sigma-delta: what changes from frame to frame is sent, for sequences of frames."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from canonic.checks import whole
from canonic.codes.events import Alphabet
from canonic.codes.weighted import Membrane, Weighted


@dataclass(frozen=True)
class SigmaDelta(Weighted):
    """The nearest whole number of thresholds, as its change: ``s[m] = round(u[m]) - (s[1] + ... + s[m-1])``.

    Digit m belongs to frame m: what has been sent is the number of the current frame, within half a threshold, and what
    does not change sends nothing (O'Connor and Welling, Sigma Delta Quantized Networks, ICLR 2017). A network in this
    code answers every frame of a sequence (``canonic.network.follow``); of one frame it is a quantised network.

    Args:
        levels: L, thresholds of the largest number, 1 to 4096; a change is at most 2 L of them.
        steps: frames of a sequence.

    Raises:
        CanonicError: if one is out of range.

    >>> import torch
    >>> code = SigmaDelta(levels=8, steps=4)
    >>> frames = torch.tensor([[2.2], [2.2], [5.0], [1.0]])
    >>> code.respond(code.telescope(frames)).flatten().tolist()
    [2.0, 0.0, 3.0, -4.0]
    """

    name: ClassVar[str] = "sigma-delta"
    equations: ClassVar[tuple[str, str]] = ("1", "1")
    source: ClassVar[str] = "O'Connor and Welling, ICLR 2017"
    levels: int = 64
    steps: int = 1

    def __post_init__(self) -> None:
        whole(f"levels of the code {self.name}", self.levels, 1, 4096, "64 are changes of 8 bits")
        whole(f"steps of the code {self.name}", self.steps, 1, 2**20, "1 converts a network; sequences have any number")

    @property
    def weights(self) -> tuple[float, ...]:
        """1 in every frame."""
        return (1.0,) * self.steps

    @property
    def alphabet(self) -> Alphabet:
        """-2 L .. 2 L."""
        return Alphabet(tuple(float(size) for size in range(2 * self.levels, 0, -1)), signed=True)

    @property
    def largest(self) -> float:
        """L, as often as it changes."""
        return float(self.levels)

    def step(
        self, digit: int, state: Membrane, arrived: Float[Tensor, "*shape"] | None, *, signed: bool = False
    ) -> tuple[Membrane, Float[Tensor, "*shape"] | None]:
        """Advance a population by a frame; its potential is the number itself."""
        u = state.potential if arrived is None else state.potential + arrived
        if digit < 1:
            return state._replace(potential=u), None
        spikes = self.emit(digit, u, state.sent, signed=signed)
        return Membrane(u, state.sent + spikes), spikes

    def emit(
        self, digit: int, u: Float[Tensor, "*shape"], sent: Float[Tensor, "*shape"], *, signed: bool
    ) -> Float[Tensor, "*shape"]:
        """Return what is to be sent of a number u, beside what was sent."""
        del digit
        return u.round().clamp(-self.levels if signed else 0, self.levels) - sent

    def quantise(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the nearest whole number, within 0 and the largest."""
        return x.round().clamp(0, self.levels)
