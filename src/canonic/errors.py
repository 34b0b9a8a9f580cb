"""Every error that is raised on purpose: each message names the thing, the value, the reason and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class CanonicError(ValueError):
    """The base of all errors of this package."""


class ConversionError(CanonicError):
    """A model that cannot be converted, or cannot be converted as asked."""


class DataError(CanonicError):
    """A data set, a batch or a picture that cannot be used."""


class StorageError(CanonicError):
    """A file of weights or of a network that cannot be read or written."""


class ExportError(CanonicError):
    """A network that a format of others cannot hold, or a file of that format that cannot be read."""


class TrainingError(CanonicError):
    """A training that cannot begin as it is asked, or cannot go on."""


class ClusterError(CanonicError):
    """Another process of a group that ended, failed, or cannot be reached."""


def first_line(error: Exception) -> str:
    r"""Return the first line of what an error says; the name of its type if it says nothing.

    >>> first_line(RuntimeError("no such file\nand a stack")), first_line(AssertionError())
    ('no such file', 'AssertionError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def either(words: Iterable[str]) -> str:
    """Return words to choose one of, as people write them.

    >>> either(["css", "rate", "burst"]), either(["css"])
    ('css, rate or burst', 'css')
    """
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint with the known words nearest to one that is unknown.

    >>> nearest("layer1.rleu", ["layer1.relu", "fc"])
    'did you mean layer1.relu?'
    """
    known = sorted(known)
    close = get_close_matches(word, known, n=3, cutoff=0.5)
    return f"did you mean {either(close)}?" if close else f"known are {', '.join(known) or 'none'}"
