"""Published systems, one file each: what they are as plain data, with the constants of their papers."""

from canonic.errors import CanonicError, nearest
from canonic.learn.zoo import (
    converted,
    desire,
    dsr,
    first_to_spike,
    hybrid_coding,
    ide,
    lif,
    mpe,
    population,
    psn,
    rank,
    relpsp,
    single_spike,
    spike_time,
    srnn,
    stdb,
    tandem,
    windowed,
    yoso,
)
from canonic.learn.zoo.entry import Entry as Entry

_FILES = (
    converted,
    lif,
    mpe,
    psn,
    first_to_spike,
    hybrid_coding,
    spike_time,
    population,
    desire,
    dsr,
    rank,
    ide,
    single_spike,
    srnn,
    relpsp,
    windowed,
    yoso,
    tandem,
    stdb,
)
_ENTRIES: dict[str, Entry] = {entry.name: entry for file in _FILES for entry in file.ENTRIES}


def names() -> tuple[str, ...]:
    """Return the names of all entries, variants behind what they vary.

    >>> names()[:3]
    ('css', 'css-layers', 'lif')
    """
    return tuple(_ENTRIES)


def entry(name: str) -> Entry:
    """Return an entry.

    Raises:
        CanonicError: if there is none of this name.

    >>> entry("lif").gradient
    'surrogate'
    """
    if name not in _ENTRIES:
        raise CanonicError(f"there is no system {name!r}: {nearest(name, _ENTRIES)}")
    return _ENTRIES[name]
