"""What a search among assignments of codes to layers found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from canonic.sweep.pareto import front
from canonic.sweep.result import Outcome, Sweep
from canonic.words import counted

CLOSE, CLOSE_DB = 0.005, 3.0
"""What answers may lose to those of the best code alone: half a point of agreement; decibels where there are none."""


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes:
        outcomes: all assignments that were measured, in the order of the search.
        layers: the populations.
        limit: of the total steps.
        wanted: the least likeness to the source with which an assignment is as good as the best code alone.

    Raises:
        StorageError: if they were not measured on the same data.
    """

    outcomes: tuple[Outcome, ...]
    layers: tuple[str, ...]
    limit: int
    wanted: float

    def __post_init__(self) -> None:
        Sweep(self.outcomes)

    @property
    def best(self) -> Outcome:
        """The assignment of the fewest events among those that are as good, and within the limit."""
        return fewest_events([o for o in self.outcomes if (o.total_steps or inf) <= self.limit], self.wanted)

    @property
    def assigned(self) -> Mapping[str, str]:
        """The code of each layer in the best assignment."""
        return self.best.setting.assigned(self.layers)

    @property
    def front(self) -> tuple[Outcome, ...]:
        """Those that are as good, of which no other takes fewer steps or events and no more of the other."""
        good = [o for o in self.outcomes if is_good(o, self.wanted)]
        kept = front([(-(o.events or 0.0), float(o.total_steps or 0)) for o in good])
        return tuple(sorted((o for o, is_kept in zip(good, kept, strict=True) if is_kept), key=_steps))

    def to_json(self) -> dict[str, Any]:
        """Return the search as plain data, with a row for each assignment; events and energy are those of a sample."""
        best, marked = self.best, self.front
        rows = [
            {**row, "events": outcome.events, "as_good": is_good(outcome, self.wanted), "on_front": outcome in marked}
            for outcome, row in zip(self.outcomes, Sweep(self.outcomes).to_json(), strict=True)
        ]
        wanted = self.wanted if isfinite(self.wanted) else None
        found = {"code": best.setting.code, "layers": dict(self.assigned), "total_steps": best.total_steps}
        return {"limit": self.limit, "wanted": wanted, "best": {**found, "events": best.events}, "rows": rows}

    def __repr__(self) -> str:
        tried = counted(len(self.outcomes), "assignment")
        return f"Search({tried}, best: {self.best.setting.coded}, {counted(self.best.total_steps or 0, 'step')})"


def is_good(outcome: Outcome, wanted: float) -> bool:
    """Tell whether the answers of an assignment are as like those of the source as is wanted."""
    return outcome.likeness is not None and outcome.likeness >= wanted


def least_likeness(outcomes: Sequence[Outcome]) -> float:
    """Return the least likeness that is as good as the best of some outcomes, of which one at least was measured."""
    best = max((o for o in outcomes if o.likeness is not None), key=lambda o: o.likeness or 0.0)
    return (best.likeness or 0.0) - (CLOSE_DB if best.agreement is None else CLOSE)


def fewest_events(outcomes: Sequence[Outcome], wanted: float) -> Outcome:
    """Return the outcome with the fewest events, and of these the one with the fewest steps, that is as good."""
    return min((o for o in outcomes if is_good(o, wanted)), key=lambda o: (o.events or 0.0, _steps(o)))


def price(base: Outcome, other: Outcome) -> tuple[float, float]:
    """Return what a change costs: the loss of likeness for an event saved, and of equal ones the most saved first.

    It is infinite where none is saved.
    """
    if base.likeness is None or other.likeness is None:
        return inf, 0.0
    saved = (base.events or 0.0) - (other.events or 0.0)
    lost = 0.0 if other.likeness >= base.likeness else base.likeness - other.likeness
    return (lost / saved, -saved) if saved > 0 else (inf, 0.0)


def _steps(outcome: Outcome) -> int:
    return outcome.total_steps or 0
