"""The ends of an axis: every axis has a width, also that of a single value."""

from collections.abc import Sequence

from canonic.words import Number

Range = tuple[float, float]


def span(values: Sequence[Number], least: Number) -> Range:
    """Return the ends of an axis: a little more than its values take, and never less than ``least``.

    >>> span([43.0], 6), span([0.0, 100.0], 6)
    ((40.0, 46.0), (-4.0, 104.0))
    """
    low, high = min(values, default=0), max(values, default=0)
    room = max(0.04 * (high - low), (least - (high - low)) / 2)
    return low - room, high + room


def shares(values: Sequence[Number]) -> Range:
    """Return the ends of an axis of percentages: at least 5 points, and little beyond what there can be.

    >>> shares([100.0]), shares([0.0, 100.0])
    ((97.5, 101.0), (-1.0, 101.0))
    """
    low, high = span(values, 5)
    return max(low, -1.0), min(high, 101.0)
