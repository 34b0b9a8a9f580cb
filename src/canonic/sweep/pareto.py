"""The Pareto front: what is not beaten by anything else."""

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> tuple[bool, ...]:
    """Return for each point (gain, cost) whether no other has as much gain at as little cost, and more or less of one.

    Of two equal points both are on the front, or none.

    >>> front([(0.9, 4.0), (0.8, 5.0), (0.8, 2.0), (0.9, 4.0)])
    (True, False, True, True)
    """
    best: dict[float, float] = {}
    for gain, cost in points:
        best[cost] = max(gain, best.get(cost, gain))
    kept, record = set(), float("-inf")
    for cost in sorted(best):
        if best[cost] > record:
            record = best[cost]
            kept.add((record, cost))
    return tuple(point in kept for point in points)
