"""The members of the family of CSS that a goal allows, with what they are expected to cost and to lose."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, log10

from canonic.codes import CSS, MOST_LEVELS
from canonic.goals.goal import Goal
from canonic.goals.screening import Screen
from canonic.network.graph import Graph, longest_path
from canonic.network.redundancy import LEVELS

SILENT = range(1, 6)
"""Silent steps that are tried with ternary digits."""

DIGITS = {2.0: range(2, 17), 4.0: range(1, 9), 16.0: range(1, 5)}
"""Digits of a number that are considered for each radix."""

SCREENED_DIGITS = {2.0: 8, 4.0: 4, 16.0: 2}
"""Digits that populations are screened with: eight bits."""

SLACK = (1.0, 3.0, 10.0, 30.0)
"""How many times the rounding of a population its overload may add, where each has as little redundancy as it needs."""


@dataclass(frozen=True)
class Candidate:
    """A member of the family for each population.

    Attributes:
        codes: of each population but those that code an input.
        noise: of all populations, added up, each against its signal.
        total_steps: of the network.
        events: a sample.
        units: their sizes, added up.
    """

    codes: Mapping[str, CSS]
    noise: float
    total_steps: int
    events: float
    units: float

    @property
    def decibels(self) -> float:
        """Its noise in dB, so many times below the signal of the populations."""
        return 10 * log10(self.noise) if self.noise else -300.0

    @property
    def digits(self) -> int:
        """Digits of a number."""
        return next(iter(self.codes.values())).steps


Ladder = Sequence[CSS]
"""Members of one radix, each with more redundancy than the one before."""


def ladders(goal: Goal, beta: float) -> list[Ladder]:
    """Return the members of a radix that a goal allows, by more and more silent steps, and by more and more levels."""
    steps, most = SCREENED_DIGITS[beta], goal.levels or (1 if goal.silent else MOST_LEVELS)
    found: list[Ladder] = []
    if beta == 2:
        found.append([CSS(steps, k) for k in SILENT] if goal.silent else [CSS(steps, 0)])
        if goal.silent and goal.minimise in ("events", "energy"):
            found.append([CSS(steps, k, phi=phi) for k, phi in ((1, 0.55), (2, 2 / 3), (3, 2 / 3), (4, 2 / 3))])
    least = max(2, ceil(beta) - 1)  # as far as thresholds count on them
    graded = [levels for levels in (*LEVELS, MOST_LEVELS) if least <= levels <= most]
    for silent in (0, 1) if goal.silent else (0,):
        found.append([CSS(steps, silent, beta, levels=levels) for levels in graded])
    return [ladder for ladder in found if ladder]


def candidates(graph: Graph, screens: Sequence[tuple[Screen, Sequence[Ladder]]]) -> list[Candidate]:
    """Return what can be had: every member for all populations, or for each population the first that will do."""
    found: dict[frozenset[tuple[str, CSS]], Candidate] = {}
    for screen, climbs in screens:
        for steps in DIGITS[screen.code.beta]:
            for ladder in climbs:
                fitting = [member for member in ladder if member.silent <= steps]
                for members in _assigned(screen, fitting, steps):
                    made = _candidate(graph, screen, members, steps)
                    found.setdefault(frozenset(made.codes.items()), made)
    return list(found.values())


def _assigned(screen: Screen, ladder: Ladder, steps: int) -> Iterator[Mapping[str, CSS]]:
    """Yield members for the populations: the same for all, and for each as much redundancy as it needs."""
    yield from (dict.fromkeys(screen.losses, member) for member in ladder)
    for slack in SLACK if len(ladder) > 1 else ():
        yield {name: _least(screen, name, ladder, steps, slack) for name in screen.losses}


def _least(screen: Screen, name: str, ladder: Ladder, steps: int, slack: float) -> CSS:
    """Return the first member in which overload adds no more than so many times the rounding."""
    allowed = (1 + slack) * screen.loss(name, screen.code, steps).noise
    return next((m for m in ladder if screen.loss(name, m, steps).noise <= allowed), ladder[-1])


def _candidate(graph: Graph, screen: Screen, members: Mapping[str, CSS], steps: int) -> Candidate:
    losses = [screen.loss(name, member, steps) for name, member in members.items()]
    silent = longest_path(graph, lambda node: members[node.name].silent if node.name in members else 0)
    return Candidate(
        codes={name: replace(member, steps=steps) for name, member in members.items()},
        noise=sum(loss.noise for loss in losses),
        total_steps=steps + max(silent[name] for name in graph.outputs),
        events=sum(loss.events for loss in losses),
        units=sum(loss.units for loss in losses),
    )


Price = tuple[int | float, ...]
"""What a candidate costs: the smaller, the sooner it is taken."""


def price(goal: Goal, candidate: Candidate, cost: float) -> Price:
    """Return the price of a candidate that costs so much of what a goal makes small.

    Where a goal leaves the digits open, the bits of an event come first.
    """
    first = bits(candidate) if goal.levels is None else 0
    return (first, cost, candidate.total_steps, sent(goal, candidate), bits(candidate))


def screened(goal: Goal, candidate: Candidate) -> float:
    """Return what a candidate should cost by its screening alone.

    Time is that of the digits of all steps; energy grows with events, by how much whole networks tell.
    """
    events = sent(goal, candidate)
    costs = {"steps": candidate.total_steps, "events": events, "energy": events, "time": candidate.digits}
    return float(costs[goal.minimise])


def sent(goal: Goal, candidate: Candidate) -> float:
    """Return the events of a candidate, each of which is a unit where the chip sends no sizes."""
    return candidate.units if goal.unary else candidate.events


def bits(candidate: Candidate) -> int:
    """Return the bits of the largest event."""
    return max(ceil(code.alphabet.bits) for code in candidate.codes.values())
