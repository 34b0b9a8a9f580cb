"""Goals as text: what a user writes behind ``--goal``."""

from typing import Any, get_args

from canonic.errors import ConversionError, nearest
from canonic.goals.goal import Goal, Minimise, require_word
from canonic.measure.energy import MODELS

WORDS: dict[str, dict[str, Any]] = {
    "usual": {},
    "ternary": {"levels": 1},
    "unary": {"unary": True},
    "no-silent": {"silent": False},
}
"""Words that stand alone: nothing but what is usual, and what the chip can do."""

NUMBERS = ("agreement", "accuracy", "snr", "levels")
NAMES = {"minimise": get_args(Minimise), "energy": MODELS}
"""Parts whose value is a word, and the words."""

VALUED = (*NUMBERS, *NAMES, "output")
"""All parts that have a value."""


def goal_of(given: str | Goal) -> Goal:
    """Return the goal that a text stands for: parts ``name=value``, or words alone, with commas between.

    Raises:
        ConversionError: if there is no such part, or its value is out of its range.

    >>> goal_of("agreement=0.99, minimise=events, levels=8, no-silent")
    Goal(agreement=0.99, minimise='events', levels=8, silent=False)
    """
    if isinstance(given, Goal):
        return given
    if not isinstance(given, str):
        raise ConversionError(f"goal must be a Goal or its text, got {type(given).__name__} {given!r}: Goal(snr=30)")
    values: dict[str, Any] = {}
    parts = [part for part in map(str.strip, given.split(",")) if part]
    for part in parts:
        found = _part(part)
        if twice := values.keys() & found:
            name = twice.pop()
            both = " and ".join(other for other in parts if name in _part(other))
            raise ConversionError(f"{both} both say what the {name} of a goal is: give one of them")
        values |= found
    return Goal(**values)


def _part(text: str) -> dict[str, Any]:
    name, equals, value = map(str.strip, text.partition("="))
    if not equals and name in WORDS:
        return WORDS[name]
    if equals and name == "output" and value:
        return {name: value}
    if equals and name in NAMES:
        require_word(name, value, NAMES[name])
        return {name: value}
    if equals and name in NUMBERS:
        return {name: _number(name, value)}
    known = (*(f"{known}=" for known in VALUED), *WORDS)
    wanted = "a value behind it, as agreement=0.99" if name in VALUED else nearest(text, known)
    raise ConversionError(f"a goal has no part {text!r}: {wanted}")


def _number(name: str, text: str) -> int | float:
    try:
        return int(text) if name == "levels" else float(text)
    except ValueError:
        raise ConversionError(f"{name} of a goal must be a number, got {text!r}: {name}={EXAMPLES[name]}") from None


EXAMPLES = {"agreement": "0.99", "accuracy": "-0.005", "snr": "30", "levels": "8"}
