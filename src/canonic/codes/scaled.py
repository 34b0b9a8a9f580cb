"""The units in which a code is computed in whole numbers."""

from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from canonic.codes.events import Alphabet, Firing
from canonic.codes.weighted import Weighted


@dataclass(frozen=True)
class Scaled(Weighted):
    """A code with w and n times the same number, so that it stands for what it stood for: ``A = sum w s / n``.

    Its neuron starts from rest: where it starts is a tensor of an integer network.

    Args:
        code: that it is.
        scale: the number.
    """

    name: ClassVar[str] = "scaled"
    equations: ClassVar[tuple[str, str]] = ("w", "n")
    source: ClassVar[str] = ""
    code: Weighted
    scale: float

    @property
    def steps(self) -> int:  # type: ignore[override]
        """T."""
        return self.code.steps

    @property
    def weights(self) -> tuple[float, ...]:
        """Whole numbers."""
        return tuple(float(round(self.scale * w)) for w in self.code.weights)

    @property
    def norms(self) -> tuple[float, ...]:
        """The divisors that go with them."""
        return tuple(self.scale * n for n in self.code.norms)

    @property
    def gains(self) -> tuple[float, ...]:
        """As those of the code, whole."""
        return tuple(float(round(gain)) for gain in self.code.gains)

    @property
    def silent(self) -> int:
        """As the code."""
        return self.code.silent

    @property
    def alphabet(self) -> Alphabet:
        """As that of the code."""
        return self.code.alphabet

    @property
    def firing(self) -> Firing:
        """As that of the code, from rest."""
        return replace(self.code.firing, start=0.0)

    def emit(
        self, digit: int, u: Float[Tensor, "*shape"], sent: Float[Tensor, "*shape"], *, signed: bool
    ) -> Float[Tensor, "*shape"]:
        """Return the digit of the code."""
        return self.code.emit(digit, u, sent, signed=signed)


def in_whole_numbers(code: Weighted) -> Scaled | None:
    """Return a code in units in which all that its neuron adds is whole; None if there are none.

    >>> from canonic.codes import Differential, Phase
    >>> in_whole_numbers(Phase(period=3)).weights, in_whole_numbers(Differential(steps=3))
    ((4.0, 2.0, 1.0), None)
    """
    scale = 1 / min(code.weights)
    numbers = (*(scale * w for w in code.weights), *code.gains, *code.alphabet.magnitudes)
    plain = type(code).step is Weighted.step
    return Scaled(code, scale) if plain and all(abs(x - round(x)) < 1e-9 for x in numbers) else None
