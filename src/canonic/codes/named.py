"""Codes by name."""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from canonic.codes.binary import Binary, FewSpike
from canonic.codes.burst import Burst, GrowingBurst
from canonic.codes.css import CSS
from canonic.codes.fitted import FittedFewSpike
from canonic.codes.latency import ExponentialLatency, Latency
from canonic.codes.multi_threshold import Differential, MultiThreshold
from canonic.codes.phase import Phase
from canonic.codes.rate import Count, Rate, SignedRate
from canonic.codes.sigma_delta import SigmaDelta
from canonic.codes.weighted import Weighted
from canonic.errors import CanonicError, either, nearest

CODES: dict[str, type[Weighted]] = {
    code.name: code
    for code in (
        *(CSS, Rate, SignedRate, Count, Phase, Burst, GrowingBurst, Latency, ExponentialLatency),
        *(Binary, FewSpike, FittedFewSpike, MultiThreshold, Differential, SigmaDelta),
    )
}

EITHER_SIGN = either(name for name, code in CODES.items() if code().alphabet.signed)
"""The codes that carry numbers of either sign, as advice names them."""

NEXT_CODE = r"[,\s]+(?=[A-Za-z][\w-]*(?:[:,\s]|$))"
"""What stands before a code in a list: its name is a word, which a parameter is only in front of an =."""


def named(name: str, **parameters: Any) -> Weighted:
    """Return the code of a name.

    Raises:
        CanonicError: if there is no such code, or it has no such parameter.

    >>> named("rate", steps=32)
    Rate(steps=32)
    """
    if name not in CODES:
        raise CanonicError(f"there is no code {name!r}: {nearest(name, CODES)}")
    known = [f.name for f in fields(CODES[name])]  # type: ignore[arg-type]
    for parameter in parameters:
        if parameter not in known:
            raise CanonicError(f"the code {name} has no {parameter!r}: {nearest(parameter, known)}")
    return CODES[name](**parameters)


def code_of(given: str | Weighted) -> Weighted:
    """Return the code that a text stands for: its name, then a colon and its parameters, in order or by name.

    Raises:
        CanonicError: if there is no such code, or a parameter is not in its range.

    >>> code_of("rate:32"), code_of("burst:8,start=0")
    (Rate(steps=32), Burst(steps=8, most=5, start=0.0))
    """
    if isinstance(given, Weighted):
        return given
    if not isinstance(given, str):
        raise CanonicError(
            f"code must be a code or its name, got {type(given).__name__} {given!r}: 'css:8,1', Rate(32)"
        )
    name, _, text = given.strip().partition(":")
    by_place, by_name = list[int | float | str](), dict[str, int | float | str]()
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = part.rpartition("=")
        if equals:
            by_name[key.strip()] = _number(value.strip())
        else:
            by_place.append(_number(part))
    usual = {f.name: f.default for f in fields(CODES[name])} if name in CODES else {}  # type: ignore[arg-type]
    if len(by_place) > len(usual) and usual:
        raise CanonicError(f"the code {name} takes {', '.join(usual)}, got {len(by_place)} numbers: {given!r}")
    placed = dict(zip(usual, by_place, strict=False))
    if twice := [key for key in by_name if key in placed]:
        raise CanonicError(f"the {twice[0]} of the code {name} are given twice: {given!r}")
    values = placed | by_name
    return named(name, **{key: _like(usual.get(key), value) for key, value in values.items()})


def codes_in(text: str) -> tuple[str, ...]:
    """Return the texts of codes in a list, between which commas or spaces stand; each must be one that is known.

    Raises:
        CanonicError: as ``code_of``.

    >>> codes_in("css, burst:8,most=3 latency:16")
    ('css', 'burst:8,most=3', 'latency:16')
    """
    found = tuple(part for part in re.split(NEXT_CODE, text.strip(", \n\t")) if part)
    for part in found:
        code_of(part)
    return found


def text_of(code: Weighted) -> str:
    """Return the shortest text that ``code_of`` makes this code of.

    >>> text_of(named("rate", steps=32)), text_of(CSS(8, 1, beta=4.0, levels=2))
    ('rate:32', 'css:8,beta=4,levels=2')
    """
    first, *others = [(f.name, getattr(code, f.name), f.default) for f in fields(code) if f.repr]  # type: ignore[arg-type]
    more = [f",{name}={_text(value)}" for name, value, usual in others if value != usual]
    return f"{code.name}:{first[1]}{''.join(more)}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")


def _like(usual: object, value: int | float | str) -> int | float | str:
    """Return a value as the parameter wants it: 4 where its usual value is 2.0 is 4.0, true where it is False is True.

    What is none of these is left for the code to refuse.
    """
    if isinstance(usual, bool):
        return {"true": True, "false": False}.get(str(value).lower(), value)
    return float(value) if isinstance(usual, float) and isinstance(value, int) else value


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def from_json(data: Mapping[str, Any]) -> Weighted:
    """Return the code that plain data stand for, as ``code.to_json()`` made them.

    >>> from_json(named("burst", steps=4).to_json()).most
    5
    """
    return named(**data)
