"""One number as a train in every code: as a page with a number to drag, as pictures, as text.

The largest number is 1 for all of them: theta is what makes it the largest that a threshold is chosen for.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from string import Template
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.codes import Weighted, code_of, text_of
from canonic.errors import CanonicError
from canonic.report.frame import asset

EXAMPLES = (
    *("css:8", "css:4,silent=0,beta=4,levels=16", "css:2,silent=0,beta=16,levels=64"),
    *("css:8,silent=0,levels=8,powers=true", "rate:8", "signed-rate:8", "count:8"),
    *("phase:8", "burst:8", "growing-burst:8", "latency:8", "exponential-latency:8,tau=2"),
    *("binary:8", "few-spike:8", "fitted-few-spike:8", "multi-threshold:8", "differential:8", "sigma-delta:8"),
)
"""Every code, with so few digits that their steps can be seen."""

HUNDREDTHS = range(-100, 101)
"""The numbers that can be dragged."""


@dataclass(frozen=True)
class Sent:
    """A number as a code sends it.

    Attributes:
        code: with its parameters.
        silent: steps that its neuron listens first.
        train: the T digits.
        value: what they stand for.
        events: digits that are not zero.
        bits: that an event carries at most.
    """

    code: str
    silent: int
    train: tuple[float, ...]
    value: float
    events: int
    bits: float

    @property
    def drawn(self) -> str:
        """The train as text: a silent step is _, a digit without an event a dot.

        >>> sent(code_of("css:4"), 0.7).drawn
        '_ 1 1 -1 1'
        """
        digits = (str(Fraction(digit)) if digit else "." for digit in self.train)
        return " ".join((*"_" * self.silent, *digits))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def examples() -> tuple[Weighted, ...]:
    """Return every code, with eight digits or fewer."""
    return tuple(map(code_of, EXAMPLES))


def sent(code: Weighted, number: float) -> Sent:
    """Return a number from -1 to 1 as a code sends it.

    Raises:
        CanonicError: if it is no such number.
    """
    if not -1 <= number <= 1:
        raise CanonicError(f"number must lie in [-1, 1], got {number}: 1 is the largest that a code is made for")
    train = trains_of(code, torch.tensor([number], dtype=torch.float64))
    value, events = float(code.decode(train, theta_of(code))), int(train.count_nonzero())
    return Sent(text_of(code), code.silent, tuple(train[:, 0].tolist()), value, events, code.alphabet.bits)


def theta_of(code: Weighted) -> float:
    """Return the threshold with which the largest number that a threshold is chosen for is 1."""
    return 1 / code.nominal


def trains_of(code: Weighted, x: Float[Tensor, " numbers"]) -> Float[Tensor, "time numbers"]:
    """Return the trains of numbers from -1 to 1.

    Those below zero are sent by a signed population; in a code without a negative event that is nothing.
    """
    trains = code.encode(x, theta_of(code), signed=False)
    if not code.alphabet.signed:
        return trains
    return torch.where(x < 0, code.encode(x, theta_of(code), signed=True), trains)


def trains_page(codes: Sequence[Weighted] = ()) -> str:
    """Return an HTML page on which a number is dragged and its train watched in some codes, or all.

    It holds the trains of all its numbers, and loads nothing.
    """
    data = {"hundredths": list(HUNDREDTHS), "codes": [_data(code) for code in codes or examples()]}
    parts = {name: asset(f"train.{name}") + asset(f"trains.{name}") for name in ("css", "js")}
    whole = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Template(asset("trains.html")).substitute(parts, theme=asset("theme.css"), data=whole)


def _data(code: Weighted) -> dict[str, Any]:
    numbers = torch.tensor(HUNDREDTHS, dtype=torch.float64) / 100
    return {
        "name": code.name,
        "text": text_of(code),
        "equations": code.equations,
        "source": code.source,
        "silent": code.silent,
        "weights": [_short(weight) for weight in code.weights],
        "norms": [_short(norm) for norm in code.norms],
        "theta": _short(theta_of(code)),
        "magnitude": code.alphabet.magnitudes[0],
        "signed": code.alphabet.signed,
        "bits": code.alphabet.bits,
        "trains": [[_short(digit) for digit in train] for train in trains_of(code, numbers).T.tolist()],
    }


def _short(value: float) -> float | int:
    """Return a number that takes few characters, whole where it can be."""
    return int(value) if value % 1 == 0 else float(f"{value:.12g}")
