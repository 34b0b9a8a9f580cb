"""Numbers as people write them: one helper for each kind, used by every message, table, page and figure."""

from decimal import Decimal

NONE = "–"
SPACE = "\N{NO-BREAK SPACE}"
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

Number = int | float
"""A number as it comes from JSON, where one without a fraction is whole."""


def words(key: str) -> str:
    """Return a key of plain data as people write it.

    >>> words("dead_channels")
    'dead channels'
    """
    return key.replace("_", " ")


def whole(count: int) -> str:
    """Return a number of things that are there, such as neurons, in full.

    >>> whole(1536)
    '1,536'
    """
    return f"{count:,}"


def counted(count: int, thing: str, things: str = "") -> str:
    """Return a number of things, in full, with the right form of their name.

    >>> counted(1, "population"), counted(1536, "neuron"), counted(0, "class", "classes")
    ('1 population', '1,536 neurons', '0 classes')
    """
    return f"{whole(count)} {thing if count == 1 else things or thing + 's'}"


def one(thing: str) -> str:
    """Return a name with the article that it is spoken with.

    >>> one("Population"), one("EventInput")
    ('a Population', 'an EventInput')
    """
    return f"{'an' if thing[:1] in 'AEIOaeio' else 'a'} {thing}"


def number(value: Number | None, digits: int = 4) -> str:
    """Return a number with this many significant digits, large ones with a prefix.

    >>> [number(value).replace(SPACE, "_") for value in (188416, 91_000_000, 0.31, 2.0, None)]
    ['188.4_k', '91_M', '0.31', '2', '–']
    >>> number(999_999).replace(SPACE, "_")
    '1_M'
    """
    if value is None:
        return NONE
    rounded = float(f"{value:.{digits}g}")
    for size, prefix in PREFIXES:
        if abs(rounded) >= size:
            return f"{value / size:.{digits}g}{SPACE}{prefix}"
    return f"{value:.{digits}g}"


def percent(share: Number | None, digits: int = 2) -> str:
    """Return a share as a percentage, with a space that does not break.

    >>> percent(0.8096).replace(SPACE, "_"), percent(None)
    ('80.96_%', '–')
    """
    return NONE if share is None else f"{100 * share:.{digits}f}{SPACE}%"


def signed(value: Number, digits: int = 2) -> str:
    """Return a difference with its sign; nothing is written as plus or minus nothing.

    >>> signed(-0.07), signed(1.25, 1), signed(-0.001)
    ('−0.07', '+1.2', '0.00')
    """
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{'+' if value > 0 else '−'}{text}"


def decibels(value: Number | None) -> str:
    """Return a ratio in dB; none is one without an error.

    >>> decibels(None)
    'exact'
    """
    return "exact" if value is None else f"{value:.1f} dB"


def microjoules(value: Number | None, digits: int = 4) -> str:
    """Return an energy in one unit, however large, so that a column can be compared.

    >>> microjoules(5.3213), microjoules(1987.3, 3), microjoules(0.0000756, 3)
    ('5.321', '1,987', '0.0000756')
    """
    if value is None:
        return NONE
    rounded = Decimal(f"{value:.{digits}g}")
    return f"{value:,.0f}" if rounded >= 1000 else f"{rounded:f}"


def times(ratio: Number) -> str:
    """Return how much more or less one thing is than another: in percent near 1, as a factor beyond.

    >>> times(0.5), times(3.04), times(0.98).replace(SPACE, "_"), times(1.4).replace(SPACE, "_"), times(1.004)
    ('2.0 times less', '3.0 times more', '2_% less', '40_% more', 'as much')
    """
    if ratio <= 0:
        return "nothing"
    if abs(ratio - 1) < 0.005:
        return "as much"
    direction, factor = ("more", ratio) if ratio > 1 else ("less", 1 / ratio)
    return f"{factor:.1f} times {direction}" if factor >= 1.5 else f"{percent(abs(ratio - 1), 0)} {direction}"


def spread(low: int, high: int) -> str:
    """Return a range as people write it.

    >>> spread(1, 1), spread(0, 3)
    ('1', '0 to 3')
    """
    return str(low) if low == high else f"{low} to {high}"
