"""The search for a member of the family that meets a goal: whole networks, as few as it takes.

What a candidate is expected to lose follows from the screening, up to a factor that every finalist tells: its errors
could grow by ``room`` decibels, so candidates whose screened noise lies less than that above its own should do. The
cheapest of them is tried next, until none is cheaper than one that has met the goal. Those that have less of everything
than one that failed are left out. Some of the samples tell the room of most networks; only where it is small, or
nothing is left that is cheaper, a network is judged on all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log2

from canonic.codes import CSS
from canonic.conversion.convert import Fitted
from canonic.goals.candidates import SCREENED_DIGITS, Candidate, Price, candidates, ladders, price, screened
from canonic.goals.finalists import Finalist, Setup
from canonic.goals.goal import Goal
from canonic.goals.screening import screen

TRIED = 10
"""Times that a network is judged, at most."""

FIRST = 8, 1
"""Digits and silent steps of what is tried first, or what is nearest to it in noise."""

PROBED = 32
"""Samples that a network is first judged on, at most."""

CLEAR = -1.5, 4.0
"""Decibels of room below and above which these samples tell enough for other candidates to be tried next."""


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        probes: networks that were judged on some of the samples, in the order in which they were tried.
        seen: the finalists, that were judged on all of them, likewise.
        best: the cheapest of these that meets the goal, or the one that comes nearest.
        fitted: its plan; those of the others are not kept.
        screened: all candidates.
    """

    probes: Sequence[Finalist]
    seen: Sequence[Finalist]
    best: Finalist
    fitted: Fitted
    screened: Sequence[Candidate]


def search(setup: Setup) -> Found:
    """Return the cheapest member that was seen to meet the goal, or the one that came nearest."""
    known, thin = considered(setup), setup.thinned(PROBED)
    probes, seen = [thin.judged(thin.made(min(known, key=_unusual)))], list[Finalist]()
    aside, hope = list[Finalist](), None
    for given, candidate in _tries(setup, known, probes, seen):
        again = hope if hope and hope.candidate is candidate and given is setup else None
        made = again or given.made(candidate)
        if candidate not in [probe.candidate for probe in probes]:
            probes.append(thin.judged(made))
            if not CLEAR[0] <= probes[-1].room <= CLEAR[1]:
                aside.append(probes[-1])
                hope = made if _best(setup.goal, aside) is aside[-1] else hope
                continue
        seen.append(given.judged(made))
        if _best(setup.goal, seen) is seen[-1]:
            fitted = made.fitted
    return Found(probes, seen, _best(setup.goal, seen), fitted, known)


def _tries(
    setup: Setup, known: Sequence[Candidate], probes: Sequence[Finalist], seen: Sequence[Finalist]
) -> Iterator[tuple[Setup, Candidate]]:
    """Yield what to try next, as long as it promises something after what has been seen meanwhile."""
    while len(probes) + len(seen) < TRIED and (candidate := following(setup.goal, known, probes, seen)):
        yield setup, candidate
    if not seen:
        yield setup, _best(setup.goal, probes).candidate
    best = _best(setup.goal, seen)
    if not best.reached and setup.settings.threshold == "mse":  # the largest values, which are rare, may be clipped
        yield replace(setup, settings=replace(setup.settings, threshold="max")), best.candidate


def _best(goal: Goal, seen: Sequence[Finalist]) -> Finalist:
    """Return the cheapest finalist that meets the goal; the one that lacks least if none does."""
    return min(seen, key=lambda one: (0, *_paid(goal, one)) if one.reached else (1, -one.room))


def _paid(goal: Goal, finalist: Finalist) -> Price:
    return price(goal, finalist.candidate, finalist.cost)


def _asked(goal: Goal, candidate: Candidate, told: Sequence[Finalist]) -> Price:
    """Return the price that a candidate should have.

    What screening counts is off by as much as it is for the finalist of its kind that is nearest to it in noise. Of a
    kind, ternary digits or several levels, of which none was seen, the best is hoped for.
    """
    alike = [one for one in told if _graded(one.candidate) == _graded(candidate)]
    rate = _rate(goal, _nearest(candidate, alike)) if alike else min(_rate(goal, one) for one in told)
    return price(goal, candidate, rate * screened(goal, candidate))


def _rate(goal: Goal, finalist: Finalist) -> float:
    """Return what was measured of a finalist over what screening counted."""
    return finalist.cost / max(screened(goal, finalist.candidate), 1e-9)


def _graded(candidate: Candidate) -> bool:
    return any(code.levels > 1 for code in candidate.codes.values())


def considered(setup: Setup) -> Sequence[Candidate]:
    """Return the members that the goal allows, screened."""
    screens = []
    for beta, steps in SCREENED_DIGITS.items():
        climbs = ladders(setup.goal, beta)
        if climbs:
            code = CSS(steps, steps, beta, levels=round(beta) - 1)
            screens.append((screen(setup.graph, setup.seen, code, climbs, setup.settings), climbs))
    return candidates(setup.graph, screens)


def following(
    goal: Goal, known: Sequence[Candidate], probes: Sequence[Finalist], seen: Sequence[Finalist]
) -> Candidate | None:
    """Return the cheapest candidate that should meet the goal and that would be the cheapest to do so; None if none."""
    tried, told = [finalist.candidate for finalist in seen], [*seen, *probes]
    untried = [candidate for candidate in known if candidate not in tried]
    left = [candidate for candidate in untried if not _outdone(candidate, told)] or untried
    if not left:
        return None
    met = [_paid(goal, finalist) for finalist in seen if finalist.reached]
    cheaper = [candidate for candidate in left if not met or _asked(goal, candidate, told) < min(met)]
    promising = [candidate for candidate in cheaper if _expected(candidate, told) >= 0]
    if promising:
        return min(promising, key=lambda candidate: _asked(goal, candidate, told))
    return None if met else max(left, key=lambda candidate: _expected(candidate, told))


def _expected(candidate: Candidate, seen: Sequence[Finalist]) -> float:
    """Return the room that a candidate should have, by the finalist that is nearest to it in noise."""
    nearest = _nearest(candidate, seen)
    return nearest.room + nearest.candidate.decibels - candidate.decibels


def _nearest(candidate: Candidate, seen: Sequence[Finalist]) -> Finalist:
    """Return the finalist that is nearest to a candidate in noise."""
    return min(seen, key=lambda finalist: abs(finalist.candidate.decibels - candidate.decibels))


def _outdone(candidate: Candidate, told: Sequence[Finalist]) -> bool:
    """Whether one failed that has as much of everything in each population.

    Screening knows what exact neurons send; without silent steps, what deep layers are sent first may be far from it.
    """
    failed = (one.candidate.codes for one in told if one.room < CLEAR[0])
    return any(all(_at_most(code, codes[name]) for name, code in candidate.codes.items()) for codes in failed)


def _at_most(code: CSS, other: CSS) -> bool:
    """Whether a code has at most the digits, the silent steps, both in bits, and the redundant levels of another."""
    ours, theirs = (
        (one.steps * log2(one.beta), one.silent * log2(one.beta), one.levels / (one.beta - 1)) for one in (code, other)
    )
    return all(a <= b for a, b in zip(ours, theirs, strict=True))


def _unusual(candidate: Candidate) -> tuple[int, ...]:
    """Return how unlike what most networks need a candidate is."""
    codes = set(candidate.codes.values())
    return (abs(candidate.digits - FIRST[0]), len(codes), *(abs(code.silent - FIRST[1]) for code in codes))
