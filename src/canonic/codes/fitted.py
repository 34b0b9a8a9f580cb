"""Few-spike neurons of any function: thresholds, resets and worths that are fitted to it (Stoeckl and Maass 2021).

A neuron that has waited for the whole number x starts with the membrane v = x, and for m = 1 .. T

    s[m] = 1 if v >= b[m], else 0;    v -= r[m] s[m];    out += d[m] s[m]

The spikes stand for f(x): the population computes the function itself, and no analog unit is left of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import silu

from canonic.checks import real, whole
from canonic.codes.weighted import LayerByLayer, Membrane
from canonic.errors import CanonicError, nearest

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"silu": silu, "sigmoid": torch.sigmoid}
"""What a population can be fitted to."""

GRID = 401
"""Numbers at which the squared error of a fit is summed."""

FINEST = 2.0**-10
"""The last change of a threshold or reset that is tried, as a part of the range."""

LEAST = 2.0**-20
"""Worths are multiples of it, as parts of the range, and none is 0."""

RIDGE = 1e-6
"""What keeps the worths of digits that fire together small, in squares of the range."""

BETTER, SAME = 1 - 1e-6, 1 + 1e-9
"""By what a change has to lower the squared error, and what is no difference: rounding must not choose."""


class Table(NamedTuple):
    """What a fitted neuron knows of each digit: from where it fires, what that takes off the membrane, its worth."""

    bars: tuple[float, ...]
    resets: tuple[float, ...]
    worths: tuple[float, ...]


@dataclass(frozen=True)
class FittedFewSpike(LayerByLayer):
    """The few-spike neuron of a function, for populations behind that function (Stoeckl and Maass 2021).

    ``decode(encode(x))`` is about f(x); beyond the range it stays what it is at its end. Its numbers have a unit of
    one, whatever theta is, as no such function is one of multiples.

    Args:
        steps: T, 2 to 24.
        function: "silu" or "sigmoid".
        reach: it is fitted between -reach and reach, by least squares.
        table: what was fitted, as a file keeps it; it is fitted when it is first needed if there is none.

    Raises:
        CanonicError: if one is out of range.

    >>> code = FittedFewSpike(steps=12, function="sigmoid")
    >>> code.quantise(torch.tensor([-8.0, 0.5, 8.0])).mul(10).round().abs().tolist()
    [0.0, 6.0, 10.0]
    """

    name: ClassVar[str] = "fitted-few-spike"
    equations: ClassVar[tuple[str, str]] = ("d[m]", "1")
    source: ClassVar[str] = "Stoeckl and Maass 2021, fitted"
    steps: int = 16
    function: str = "silu"
    reach: float = 8.0
    table: Sequence[Sequence[float]] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        own = f"the code {self.name}"
        whole(f"steps of {own}", self.steps, 2, 24, "16 leave a hundredth of the largest number")
        if self.function not in FUNCTIONS:
            raise CanonicError(f"{own} has no function {self.function!r}: {nearest(self.function, FUNCTIONS)}")
        if not 0 < real("reach", self.reach, "8 is usual") < 1e6:
            raise CanonicError(f"reach of {own} must be a positive number, got {self.reach!r}: 8 is usual")
        if self.table and ([len(column) for column in self.table] != [self.steps] * 3 or 0 in self.table[-1]):
            raise CanonicError(
                f"the table of {own} must be three rows of {self.steps} numbers, the last without a 0: leave it out"
            )
        object.__setattr__(self, "table", tuple(map(tuple, self.table)))

    @property
    def fitted(self) -> Table:
        """Thresholds, resets and worths."""
        return Table._make(map(tuple, self.table)) if self.table else fit(self.function, self.steps, self.reach)

    @property
    def weights(self) -> tuple[float, ...]:
        """The worths, some below zero."""
        return self.fitted.worths

    @property
    def largest(self) -> float:
        """The largest number that is sent, near f(reach)."""
        return float(self.quantise(torch.linspace(-self.reach, self.reach, GRID, dtype=torch.float64)).max())

    def step(
        self,
        digit: int,
        state: Membrane,
        arrived: Float[Tensor, "*shape"] | None,
        *,
        signed: bool = False,  # noqa: ARG002 - a worth has a sign of its own
    ) -> tuple[Membrane, Float[Tensor, "*shape"] | None]:
        """Advance a population by one step."""
        u = state.potential if arrived is None else state.potential + arrived
        if digit < 1:
            return state._replace(potential=u), None
        bar, reset, worth = (column[digit - 1] for column in self.fitted)
        spikes = (u >= bar).to(u.dtype)
        return Membrane(u - reset * spikes, state.sent + worth * spikes), spikes

    def emit(
        self, digit: int, u: Float[Tensor, "*shape"], sent: Float[Tensor, "*shape"], *, signed: bool
    ) -> Float[Tensor, "*shape"]:
        """Return no event: what is left of the membrane is for the digits that follow, and none is missing."""
        del digit, sent, signed
        return torch.zeros_like(u)

    def to_json(self) -> dict[str, Any]:
        """Return the code as plain data, with what was fitted."""
        return {**super().to_json(), "table": self.fitted}


@cache
def fit(function: str, steps: int, reach: float) -> Table:
    """Return the table of a few-spike neuron of a function: one change after the other that lowers the squared error.

    It begins with thresholds side by side, which take nothing off the membrane, and the binary digits of what is
    positive; the worths are the best for these. All numbers are multiples of powers of two, and the same everywhere.

    Args:
        function: a name of ``FUNCTIONS``.
        steps: T.
        reach: the range is -reach to reach.
    """
    x = torch.linspace(-1, 1, GRID, dtype=torch.float64)
    error = partial(_errors, x=x, wanted=FUNCTIONS[function](reach * x) / reach)
    table, step = _first(steps), 0.25
    best = float(error(table[None])[0])
    while step >= FINEST:
        before = best
        for digit in range(steps):
            tried = _changed(table, digit, step)
            errors = error(tried)
            least = float(errors.min())
            if least < BETTER * best:
                best, table = least, tried[int((errors <= SAME * least).nonzero()[0])]
        step = step if best < BETTER * before else step / 2
    worths = (_worths(_spikes(table[None], x), FUNCTIONS[function](reach * x) / reach)[0] / LEAST).round() * LEAST
    worths = torch.where(worths == 0, LEAST, worths)
    return Table(*(tuple((reach * column).tolist()) for column in (*table, worths)))


def _first(steps: int) -> Float[Tensor, "2 steps"]:
    """Return the bars and resets that a fit begins with."""
    beside = steps // 2
    bars = (torch.arange(beside, dtype=torch.float64) * 64 / beside).round() / 64 - 0.5
    halves = 2.0 ** -torch.arange(1, steps - beside + 1, dtype=torch.float64)
    return torch.stack([torch.cat([bars, halves]), torch.cat([torch.zeros_like(bars), halves])])


def _changed(table: Float[Tensor, "2 steps"], digit: int, step: float) -> Float[Tensor, "tried 2 steps"]:
    """Return tables in which the bar, the reset, or both of a digit are moved."""
    sizes = torch.tensor([step, -step, step / 4, -step / 4], dtype=table.dtype)
    kinds = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=table.dtype)
    changes = (sizes[:, None, None] * kinds).flatten(0, 1)
    tried = table.repeat(len(changes), 1, 1)
    tried[:, :, digit] += changes
    return tried


def _errors(
    tables: Float[Tensor, "tried 2 steps"], *, x: Float[Tensor, " grid"], wanted: Float[Tensor, " grid"]
) -> Float[Tensor, " tried"]:
    """Return the squared error of each table with the worths that are best for it."""
    spikes = _spikes(tables, x)
    made = torch.einsum("ns,nsx->nx", _worths(spikes, wanted), spikes)
    return (made - wanted).square().sum(1)


def _spikes(tables: Float[Tensor, "tried 2 steps"], x: Float[Tensor, " grid"]) -> Float[Tensor, "tried steps grid"]:
    """Return the spikes of the neurons of some tables that are given each number of a grid."""
    v, spikes = x.expand(len(tables), -1), []
    for digit in range(tables.shape[2]):
        fired = (v >= tables[:, :1, digit]).to(v.dtype)
        v = v - tables[:, 1:, digit] * fired
        spikes.append(fired)
    return torch.stack(spikes, 1)


def _worths(spikes: Float[Tensor, "tried steps grid"], wanted: Float[Tensor, " grid"]) -> Float[Tensor, "tried steps"]:
    """Return the worths of least squares; of digits that never fire, or always together, the smallest."""
    gram = spikes @ spikes.mT + RIDGE * torch.eye(spikes.shape[1], dtype=spikes.dtype)
    worths: Tensor = torch.linalg.solve(gram, spikes @ wanted)
    return worths
