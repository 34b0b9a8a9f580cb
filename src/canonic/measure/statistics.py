"""How sure a share is, and whether two classifiers differ."""

from math import comb, sqrt

SURE = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: intervals hold 95 %."""


def interval(share: float, samples: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (Wilson, JASA 1927).

    >>> [round(bound, 3) for bound in interval(0.8, 10)]
    [0.49, 0.943]
    """
    extra = SURE**2 / samples
    middle = share + extra / 2
    half = SURE * sqrt(share * (1 - share) / samples + extra / (4 * samples))
    return max(0.0, min(share, (middle - half) / (1 + extra))), min(1.0, max(share, (middle + half) / (1 + extra)))


def mcnemar(lost: int, won: int) -> float:
    """Return the p-value of McNemar's exact test: how often equally likely flips would be as uneven as these.

    Args:
        lost: samples that only the first classifier had right.
        won: samples that only the second had right.

    >>> mcnemar(1, 5)
    0.21875
    """
    flips = lost + won
    tail = sum(comb(flips, count) for count in range(min(lost, won) + 1))
    return min(1.0, 2 * tail / (1 << flips))
