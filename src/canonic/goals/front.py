"""What a search has seen and why it took what it took: plain data for the record, and one line in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from canonic.codes import MOST_LEVELS, text_of
from canonic.errors import ConversionError
from canonic.goals.candidates import Candidate, bits, price, screened
from canonic.goals.demands import WIDEST
from canonic.goals.finalists import Finalist, Setup
from canonic.goals.goal import Goal
from canonic.goals.search import Found
from canonic.words import counted, number

LEAST = {
    "steps": "has the fewest total steps",
    "events": "sends the fewest events",
    "energy": "takes the least energy",
    "time": "has the fewest digits, and so takes the least time",
}
"""What is said of the network that is chosen."""


def told_of(setup: Setup, found: Found, costs: Mapping[str, float]) -> dict[str, Any]:
    """Return what a search has seen as plain data."""
    return {
        "asked": setup.goal.to_json(),
        "demands": [{"what": demand.what, "least": demand.least, "said": str(demand)} for demand in setup.demands],
        "held_out": len(setup.held),
        "fresh": setup.held.fresh,
        "screened": len(found.screened),
        "front": [_point(candidate) for candidate in front(setup.goal, found.screened)],
        "probes": [_row(setup, finalist) for finalist in found.probes],
        "seen": [_row(setup, finalist) for finalist in found.seen],
        "chosen": list(found.seen).index(found.best),
        "costs": dict(costs),
    }


def front(goal: Goal, known: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates of which no cheaper one has as little noise, the cheapest first."""
    kept: list[Candidate] = []
    for candidate in sorted(known, key=lambda one: (price(goal, one, screened(goal, one)), one.noise)):
        if not kept or candidate.noise < kept[-1].noise:
            kept.append(candidate)
    return kept


def _point(candidate: Candidate) -> dict[str, Any]:
    return {
        "total_steps": candidate.total_steps,
        "event_bits": bits(candidate),
        "events": round(candidate.events),
        "noise_db": round(candidate.decibels, 1),
    }


def _row(setup: Setup, finalist: Finalist) -> dict[str, Any]:
    values = zip(setup.demands, finalist.values, strict=True)
    return {
        "code": text_of(finalist.code),
        "others": len(finalist.own),
        "threshold": finalist.settings.threshold,
        **_point(finalist.candidate),
        "values": {demand.what: value for demand, value in values},
        "room_db": round(finalist.room, 1),
        "reached": finalist.reached,
    }


def in_words(setup: Setup, finalist: Finalist) -> str:
    """Return a finalist and what it holds in words."""
    held = ", ".join(f"{d.what} {d.said(v)}" for d, v in zip(setup.demands, finalist.values, strict=True))
    samples = counted(len(setup.held), "held-out sample" if setup.held.fresh else "calibration sample")
    return f"{name_of(finalist)}, {counted(finalist.candidate.total_steps, 'total step')}: {held} on {samples}"


def name_of(finalist: Finalist) -> str:
    """Return the members of a finalist in words."""
    codes = set(finalist.candidate.codes.values())
    if len(codes) == 1:
        return text_of(finalist.code)
    k, levels = ({getattr(code, what) for code in codes} for what in ("silent", "levels"))
    varied = [f"{what} = {min(all_)} to {max(all_)}" for what, all_ in (("k", k), ("L", levels)) if len(all_) > 1]
    return f"{text_of(finalist.code)} with {' and '.join(varied)}"


def why(setup: Setup, found: Found) -> str:
    """Return in one line what was taken, what it holds, and why."""
    demands = " and ".join(map(str, setup.demands))
    kept = f"{LEAST[setup.goal.minimise]} of those that should keep this on others, too"
    among = ", of those with the fewest bits an event," if setup.goal.levels is None and not setup.goal.silent else ""
    return (
        f"{in_words(setup, found.best)}; wanted: {demands}. Of {counted(len(found.screened), 'member')} that were "
        f"screened, {len(found.probes)} tried on some samples and {len(found.seen)} on all, it{among} "
        f"{kept if found.best.reached else 'comes nearest'}"
    )


def unreached(setup: Setup, found: Found) -> ConversionError:
    """Return the error of a goal that cannot be reached: the best that was found, and what limits it."""
    demands = " and ".join(map(str, setup.demands))
    return ConversionError(
        f"the goal, {demands}, was not reached. The best of {len(found.seen)} networks that were tried is "
        f"{in_words(setup, found.best)}; its errors must shrink by {_shrink(found.best)}: {_limit(setup)}"
    )


def _shrink(best: Finalist) -> str:
    far = "more than " if round(-best.room) == WIDEST else ""
    return f"{far}{number(-best.room, 3)} dB"


def _limit(setup: Setup) -> str:
    """Return what limits a network, and what would work."""
    goal = setup.goal
    if not goal.silent and goal.levels == 1:
        return (
            "k = 0 with ternary digits is a contradiction in a deep network, as nothing takes back what a neuron sent "
            "too early; allow silent steps, or leave the levels open"
        )
    if not goal.silent and goal.levels is not None and goal.levels < MOST_LEVELS:
        return (
            f"without silent steps digits up to {goal.levels} take back too little of what a neuron sent too early; "
            "allow silent steps, or leave the levels open"
        )
    return (
        f"the errors of {counted(len(setup.graph.populations), 'population')} add up; ask for less, or give more "
        "calibration samples"
    )
