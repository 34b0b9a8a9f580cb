"""Numbers that a user gives, checked once: what comes out is a number of Python, whatever library it came from."""

import operator

import torch
from torch import Tensor

from canonic.errors import CanonicError


def whole(name: str, value: object, low: int, high: int, remedy: str, error: type[CanonicError] = CanonicError) -> int:
    """Return a whole number from ``low`` to ``high``; a truth value, a text and 4.0 are none.

    >>> whole("steps", 8, 1, 24, "take 8")
    8
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or not low <= number <= high:
        raise error(f"{name} must be a whole number from {low} to {high}, got {value!r}: {remedy}")
    return number


def real(name: str, value: object, remedy: str, error: type[CanonicError] = CanonicError) -> float:
    """Return a real number, which may be infinite or NaN; a truth value and a text are none.

    >>> real("phi", 1, "take 0.5")
    1.0
    """
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        raise error(f"{name} must be a number, got {value!r}: {remedy}") from None


def holds(condition: Tensor) -> bool:
    """Tell whether a condition holds for all elements; in a graph that is being exported it does, as nothing is known.

    >>> holds(torch.tensor([True, False])), holds(torch.tensor([]) > 0)
    (False, True)
    """
    return torch.compiler.is_exporting() or bool(condition.all())
