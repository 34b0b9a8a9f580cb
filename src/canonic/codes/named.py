"""Codes by name."""

from collections.abc import Mapping
from typing import Any

from canonic.codes.binary import Binary, FewSpike
from canonic.codes.burst import Burst, GrowingBurst
from canonic.codes.css import CSS
from canonic.codes.latency import ExponentialLatency, Latency
from canonic.codes.multi_threshold import Differential, MultiThreshold
from canonic.codes.phase import Phase
from canonic.codes.rate import Rate, SignedRate
from canonic.codes.weighted import Weighted
from canonic.errors import CanonicError, nearest

CODES: dict[str, type[Weighted]] = {
    code.name: code
    for code in (
        *(CSS, Rate, SignedRate, Phase, Burst, GrowingBurst, Latency, ExponentialLatency),
        *(Binary, FewSpike, MultiThreshold, Differential),
    )
}


def named(name: str, **parameters: Any) -> Weighted:
    """Return the code of a name.

    Raises:
        CanonicError: if there is no such code, or it has no such parameter.

    >>> named("rate", steps=32)
    Rate(steps=32)
    """
    if name not in CODES:
        raise CanonicError(f"there is no code {name!r}: {nearest(name, CODES)}")
    try:
        return CODES[name](**parameters)
    except TypeError as error:
        raise CanonicError(f"the code {name} does not take this: {error}") from None


def from_json(data: Mapping[str, Any]) -> Weighted:
    """Return the code that plain data stand for, as ``code.to_json()`` made them.

    >>> from_json(named("burst", steps=4).to_json()).most
    5
    """
    return named(**data)
