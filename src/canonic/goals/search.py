"""The search for a member of the family that meets a goal: whole networks, as few as it takes.

What a candidate is expected to lose follows from the screening, up to a factor that every finalist tells: its errors
could grow by ``room`` decibels, so candidates whose screened noise lies less than that above its own should do. The
cheapest of them is tried next, until none is cheaper than one that has met the goal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from canonic.codes import CSS
from canonic.goals.candidates import SCREENED_DIGITS, Candidate, candidates, ladders, price
from canonic.goals.finalists import Finalist, Setup
from canonic.goals.goal import Goal
from canonic.goals.screening import screen

FINALISTS = 4
"""Whole networks that are fitted and judged, at most."""

FIRST = 8, 1
"""Digits and silent steps of what is tried first, or what is nearest to it in noise."""


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        seen: the finalists, in the order in which they were tried.
        best: the cheapest that meets the goal, or the one that comes nearest.
        screened: all candidates.
    """

    seen: Sequence[Finalist]
    best: Finalist
    screened: Sequence[Candidate]


def search(setup: Setup) -> Found:
    """Return the cheapest member that was seen to meet the goal, or the one that came nearest."""
    known = considered(setup)
    seen: list[Finalist] = []
    while len(seen) < FINALISTS and (following := _next(setup.goal, known, seen)):
        seen.append(setup.judged(following))
    if not any(finalist.reached for finalist in seen) and setup.settings.threshold == "mse":
        wider = replace(setup, settings=replace(setup.settings, threshold="max"))  # what is rare may be clipped
        seen.append(wider.judged(max(seen, key=lambda finalist: finalist.room).candidate))
    return Found(seen, min(seen, key=lambda finalist: _rank(setup.goal, finalist)), known)


def _rank(goal: Goal, finalist: Finalist) -> tuple[int | float, ...]:
    """Return the price of a finalist that meets the goal, before all others, by how much each lacks."""
    return (0, *price(goal, finalist.candidate)) if finalist.reached else (1, -finalist.room)


def considered(setup: Setup) -> Sequence[Candidate]:
    """Return the members that the goal allows, screened."""
    screens = []
    for beta, steps in SCREENED_DIGITS.items():
        climbs = ladders(setup.goal, beta)
        if climbs:
            code = CSS(steps, steps, beta, levels=round(beta) - 1)
            screens.append((screen(setup.graph, setup.seen, code, climbs, setup.settings), climbs))
    return candidates(setup.graph, screens)


def _next(goal: Goal, known: Sequence[Candidate], seen: Sequence[Finalist]) -> Candidate | None:
    """Return the cheapest candidate that should meet the goal and that would be the cheapest to do so; None if none."""
    tried = [finalist.candidate for finalist in seen]
    left = [candidate for candidate in known if candidate not in tried]
    if not seen or not left:
        return min(left, key=_unusual, default=None)
    met = [price(goal, finalist.candidate) for finalist in seen if finalist.reached]
    cheaper = [candidate for candidate in left if not met or price(goal, candidate) < min(met)]
    promising = [candidate for candidate in cheaper if _expected(candidate, seen) >= 0]
    if promising:
        return min(promising, key=lambda candidate: price(goal, candidate))
    return None if met else max(left, key=lambda candidate: _expected(candidate, seen))


def _expected(candidate: Candidate, seen: Sequence[Finalist]) -> float:
    """Return the room that a candidate should have, by the finalist that is nearest to it in noise."""
    nearest = min(seen, key=lambda finalist: abs(finalist.candidate.decibels - candidate.decibels))
    return nearest.room + nearest.candidate.decibels - candidate.decibels


def _unusual(candidate: Candidate) -> tuple[int, ...]:
    """Return how unlike what most networks need a candidate is."""
    codes = set(candidate.codes.values())
    return (abs(candidate.digits - FIRST[0]), len(codes), *(abs(code.silent - FIRST[1]) for code in codes))
