"""Weighted codes: how a spike train stands for a number, as data, and the one neuron that follows from it.

A code of T digits has step weights w[1..T] and norms n[1..T], n[T] = 1; s[m] is what is sent with digit m, and

    A[m] = sum_{j<=m} w[j] s[j] / n[m],        A[T] is the number, in units of theta.

A constant, such as a bias, enters with the gain ``g[m] = (n[m] - n[m-1]) / w[m]``, so that it is whole after every
digit. The neuron works in units of the value, theta being the unit; it reads the sender's digits with the sender's
weights and sends with its own:

    u += w_in[t] I[t];    s[m] = emit(u / w[m]);    u -= w[m] s[m];    sent += w[m] s[m]

What can be sent is the code's alphabet, when is its firing. Everything of a code is in these five.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.codes.events import Alphabet, Firing
from canonic.errors import CanonicError

BARELY = 1 - 1e-6
"""What was sent is a sum of floats: so much of a magnitude counts as the whole."""


class Membrane(NamedTuple):
    """The state of a population, in units of theta: the potential u, and the sum of what was sent.

    Where the next event grows while a burst lasts it has a third part, the strength of that event.
    """

    potential: Float[Tensor, "*shape"]
    sent: Float[Tensor, "*shape"]
    strength: Float[Tensor, "*shape"] | None = None


class Weighted(ABC):
    """The base of all codes of this form. A code is a frozen dataclass with the field ``steps``, its digits T.

    Attributes:
        name: by which it is called everywhere.
        equations: of w[m] and n[m], as people read them.
        source: where it was published.
        steps: T.
    """

    name: ClassVar[str]
    equations: ClassVar[tuple[str, str]]
    source: ClassVar[str]
    steps: int

    @property
    @abstractmethod
    def weights(self) -> tuple[float, ...]:
        """The step weights w[1..T]: what a spike of digit m is worth, in units of theta."""

    @property
    def norms(self) -> tuple[float, ...]:
        """The divisors n[1..T] of what has arrived; all 1 where every digit refines the number."""
        return (1.0,) * self.steps

    @property
    def plain(self) -> bool:
        """Whether all norms are 1: a sum of digits is the number."""
        return set(self.norms) == {1.0}

    @property
    def silent(self) -> int:
        """Steps that a population listens before its first digit; T means layer by layer."""
        return 0

    @property
    def alphabet(self) -> Alphabet:
        """What one event may be."""
        return Alphabet()

    @property
    def firing(self) -> Firing:
        """When a neuron sends what."""
        return Firing()

    @property
    def largest(self) -> float:
        """The largest number that the code holds, in units of theta."""
        spikes = max if self.firing.once else math.fsum
        return self.alphabet.magnitudes[0] * float(spikes(self.weights))

    @property
    def nominal(self) -> float:
        """The largest number that a threshold is chosen for, in units of theta."""
        return self.largest

    @property
    def gains(self) -> tuple[float, ...]:
        """With what each digit of a constant enters: ``sum_{j<=m} w[j] g[j] / n[m] = 1`` after every digit."""
        steps = zip((0.0, *self.norms), self.norms, self.weights, strict=False)
        return tuple((after - before) / w for before, after, w in steps)

    def prefixes(self, stream: Shaped[Tensor, "time *shape"]) -> Float[Tensor, "time *shape"]:
        """Return what the first 1, 2, ... digits stand for: ``A[1..]``, in units of theta."""
        kind = torch.promote_types(stream.dtype, torch.float32)
        sums = (stream * _column(self.weights, stream, kind)).cumsum(0)
        return sums if self.plain else sums / _column(self.norms, stream, kind)

    def decode(
        self, spikes: Shaped[Tensor, "time *shape"], theta: Float[Tensor, "..."] | float = 1.0
    ) -> Float[Tensor, "*shape"]:
        """Return the number that a train of at most T digits stands for."""
        kind = torch.promote_types(spikes.dtype, torch.float32)
        number = torch.zeros_like(spikes[0], dtype=torch.float64)  # summed in double, as cumsum does
        for weight, digit in zip(self.weights, spikes, strict=False):
            number.add_(digit, alpha=weight)
        whole = number.to(kind)
        return (whole if self.plain else whole / self.norms[len(spikes) - 1]) * theta

    def encode(
        self, x: Float[Tensor, "*shape"], theta: Float[Tensor, "..."] | float = 1.0, *, signed: bool = False
    ) -> Float[Tensor, "time *shape"]:
        """Return the train of the neuron of this code that is given the constant x.

        Args:
            x: numbers.
            theta: the unit of the code.
            signed: whether negative numbers are sent too, as a signed population does.

        Raises:
            CanonicError: if signed, and the alphabet has no negative event.
        """
        parts = [w * gain * (x / theta) for w, gain in zip(self.weights, self.gains, strict=True)]
        return self.respond(torch.stack(parts), signed=signed)

    def quantise(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return what the code makes of x, in units of theta: ``decode(encode(x))``."""
        return self.decode(self.encode(x))

    def telescope(self, values: Float[Tensor, "time *shape"]) -> Float[Tensor, "time *shape"]:
        """Return the stream whose prefixes are these values, ``D[m] = (n[m] F[m] - n[m-1] F[m-1]) / w[m]``.

        Args:
            values: F[1], F[2], ..., at most T: what a function makes of the prefixes A[1], A[2], ... of its input.

        The stream sums to the last value exactly, whatever the others are. For a maximum and a whole beta the digits
        of CSS are whole, and none is larger than those that it is taken of.
        """
        whole = values if self.plain else values * _column(self.norms, values, values.dtype)
        if len(whole) < 2 and self.weights[0] == 1:
            return whole
        digits = whole.clone()
        for m, weight in enumerate(self.weights[: len(values)]):
            digits[m].sub_(whole[m - 1] if m else 0).div_(weight)
        return digits

    def respond(
        self, arrived: Float[Tensor, "time *shape"], *, signed: bool = False, silent: int | None = None
    ) -> Float[Tensor, "time *shape"]:
        """Return the T digits of a population.

        Args:
            arrived: ``w_in[t] I[t]``, in units of theta; what is missing at the end is zero.
            signed: whether its gate is always open; else what was sent never stands for less than zero.
            silent: steps that it listens first; those of the code if None.

        Raises:
            CanonicError: if signed, and the alphabet has no negative event.
        """
        require_sign(self, signed)
        state, digits = self.rest(arrived[0], signed=signed), []
        listens = self.silent if silent is None else silent
        for t in range(1, self.steps + listens + 1):
            state, spikes = self.step(t - listens, state, arrived[t - 1] if t <= len(arrived) else None, signed=signed)
            if spikes is not None:
                digits.append(spikes)
        return torch.stack(digits)

    def rest(self, like: Float[Tensor, "*shape"], *, signed: bool = False) -> Membrane:
        """Return the state before the first step: a membrane that rounds; at zero where numbers have either sign."""
        start = 0.0 if signed else self.firing.start
        return Membrane(torch.full_like(like, start), torch.zeros_like(like))

    def step(
        self, digit: int, state: Membrane, arrived: Float[Tensor, "*shape"] | None, *, signed: bool = False
    ) -> tuple[Membrane, Float[Tensor, "*shape"] | None]:
        """Advance a population by the step of its digit 1 .. T, or, below 1, one at which it listens.

        Nothing arrives, or leaves, where it is None.
        """
        u, sent = state.potential if arrived is None else state.potential + arrived, state.sent
        if digit < 1:
            return Membrane(u, sent), None
        w = self.weights[digit - 1]
        spikes = self.emit(digit, u / w, sent / w, signed=signed)
        return Membrane(u - w * spikes, sent + w * spikes), spikes

    def emit(
        self, digit: int, u: Float[Tensor, "*shape"], sent: Float[Tensor, "*shape"], *, signed: bool
    ) -> Float[Tensor, "*shape"]:
        """Return digit 1..T of neurons whose membrane is u, and that have sent so much, both in units of its weight."""
        firing, magnitudes, either = self.firing, self.alphabet.magnitudes, self.alphabet.signed
        least = firing.bars[-1] if firing.last is None or digit < self.steps else firing.last
        spikes = _largest(u.abs() if either else u, magnitudes, (*firing.bars[:-1], least), strict=firing.strict)
        if either and not signed:  # only what was sent is taken back
            held = _largest(sent, magnitudes, tuple(BARELY * magnitude for magnitude in magnitudes))
            spikes = torch.where(u < 0, torch.minimum(spikes, held), spikes)
        spikes = torch.where(u < 0, 0.0 - spikes, spikes) if either else spikes
        return spikes * (sent == 0) if firing.once else spikes

    def to_json(self) -> dict[str, Any]:
        """Return the code as plain data, with its name."""
        return {"name": self.name, **asdict(self)}  # type: ignore[call-overload]


class LayerByLayer(Weighted):
    """A code whose populations listen for all T steps before they send: they see the whole number."""

    @property
    def silent(self) -> int:
        """T steps."""
        return self.steps


def require_sign(code: Weighted, signed: bool) -> None:
    """Raise unless a population with its gate open can be in this code.

    Raises:
        CanonicError: if it has no negative event.
    """
    if signed and not code.alphabet.signed:
        raise CanonicError(
            f"the code {code.name} has no negative event, so that it cannot carry numbers of either sign: take css, "
            "signed-rate, multi-threshold or differential"
        )


def _largest(
    u: Float[Tensor, "*shape"], magnitudes: tuple[float, ...], bars: tuple[float, ...], *, strict: bool = False
) -> Float[Tensor, "*shape"]:
    """Return for each element the largest magnitude whose bar it reaches, 0 if none; both are the largest first."""
    found = torch.zeros_like(u)
    for magnitude, bar in zip(reversed(magnitudes), reversed(bars), strict=True):
        found = torch.where(u > bar if strict else u >= bar, magnitude, found)
    return found


def _column(values: tuple[float, ...], stream: Tensor, kind: torch.dtype) -> Float[Tensor, "time ..."]:
    column = torch.tensor(values[: len(stream)], dtype=kind, device=stream.device)
    return column.view(-1, *[1] * (stream.dim() - 1))
