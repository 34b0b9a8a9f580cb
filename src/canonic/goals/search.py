"""The search for a member of the family that meets a goal: whole networks, as few as it takes.

What a candidate is expected to lose follows from the screening, up to a factor that every finalist tells: its errors
could grow by ``room`` decibels, so candidates whose screened noise lies less than that above its own should do. The
cheapest of them is tried next, until none is cheaper than one that has met the goal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from canonic.codes import CSS
from canonic.conversion.convert import Fitted
from canonic.goals.candidates import SCREENED_DIGITS, Candidate, candidates, ladders, price
from canonic.goals.finalists import Finalist, Setup
from canonic.goals.goal import Goal
from canonic.goals.screening import screen

FINALISTS = 5
"""Whole networks that are fitted and judged, at most."""

FIRST = 8, 1
"""Digits and silent steps of what is tried first, or what is nearest to it in noise."""


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        seen: the finalists, in the order in which they were tried.
        best: the cheapest that meets the goal, or the one that comes nearest.
        fitted: its plan; those of the others are not kept.
        screened: all candidates.
    """

    seen: Sequence[Finalist]
    best: Finalist
    fitted: Fitted
    screened: Sequence[Candidate]


def search(setup: Setup) -> Found:
    """Return the cheapest member that was seen to meet the goal, or the one that came nearest."""
    known, seen = considered(setup), list[Finalist]()
    for given, candidate in _following(setup, known, seen):
        finalist, plan = given.judged(candidate)
        seen.append(finalist)
        if _best(setup.goal, seen) is finalist:
            fitted = plan
    return Found(seen, _best(setup.goal, seen), fitted, known)


def _following(setup: Setup, known: Sequence[Candidate], seen: Sequence[Finalist]) -> Iterator[tuple[Setup, Candidate]]:
    """Yield what to try next, as long as it promises something after what has been seen meanwhile."""
    while len(seen) < FINALISTS and (candidate := _next(setup.goal, known, seen)):
        yield setup, candidate
    best = _best(setup.goal, seen)
    if not best.reached and setup.settings.threshold == "mse":  # the largest values, which are rare, may be clipped
        yield replace(setup, settings=replace(setup.settings, threshold="max")), best.candidate


def _best(goal: Goal, seen: Sequence[Finalist]) -> Finalist:
    """Return the cheapest finalist that meets the goal; the one that lacks least if none does."""
    return min(seen, key=lambda one: (0, *price(goal, one.candidate)) if one.reached else (1, -one.room))


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
