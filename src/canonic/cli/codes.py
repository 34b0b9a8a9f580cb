"""The command that lists the codes, and shows what a number looks like in each."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canonic.cli import options as o
from canonic.cli.group import print_json

if TYPE_CHECKING:
    from canonic.codes import Weighted


def list_codes(
    number: Annotated[float | None, typer.Option(help="Show the train of this number, -1 to 1, in each code.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the trains of --number, 0.7 if none, as SVG.")] = None,
    codes: Annotated[str, typer.Option(help="Show these, as 'css:8 rate:32'; all if not given.")] = "",
    page: Annotated[
        Path | None, typer.Option(help="Write a page on which a number is dragged and its trains are watched.")
    ] = None,
    as_json: o.Json = False,
) -> None:
    """List the codes, their parameters and what an event of each carries; or show a number in each."""
    from canonic.cli.terminal import tell
    from canonic.codes import code_of
    from canonic.network.storage import write_whole
    from canonic.report.trains import trains_page

    with o.usage():
        given = tuple(map(code_of, codes.split()))
    if page is not None:
        write_whole(page, trains_page(given).encode())
        tell(f"{page}: open it in a browser")
    if picture is not None:
        write_whole(picture, _drawn(0.7 if number is None else number, given).encode())
        tell(f"{picture}: written")
    if page is None and picture is None:
        _list(given, as_json=as_json) if number is None else _show(number, given, as_json=as_json)


def _list(given: Sequence["Weighted"], *, as_json: bool) -> None:
    from canonic.cli.terminal import columns, tell
    from canonic.codes import CODES

    shown = given or tuple(kind() for kind in CODES.values())
    known = [(code, {f.name: getattr(code, f.name) for f in fields(code) if f.repr}) for code in shown]  # type: ignore[arg-type]
    if as_json:
        print_json([{"name": code.name, "parameters": own, "bits": code.alphabet.bits} for code, own in known])
        return
    table = columns(("code", "parameters and what they are if not given", "bits", "steps a layer", "either sign"))
    for code, own in known:
        text = ", ".join(f"{key}={value}" for key, value in own.items())
        sign = "yes" if code.alphabet.signed else "no"
        table.add_row(code.name, text, f"{code.alphabet.bits:.2g}", str(code.silent), sign)
    tell(table, "write --code NAME:VALUE,NAME=VALUE, as rate:32 or burst:8,most=3; bits are those of one event")
    tell("encoders of inputs, in Python: Poisson, RankOrder, ReceptiveFields, Delta and Difference of canonic.codes")


def _drawn(number: float, given: Sequence["Weighted"]) -> str:
    from canonic.report.trainpicture import trains_picture
    from canonic.report.trains import examples

    with o.usage():
        return trains_picture(given or examples(), number)


def _show(number: float, given: Sequence["Weighted"], *, as_json: bool) -> None:
    from canonic.cli.terminal import columns, tell
    from canonic.report.trains import examples, sent
    from canonic.words import signed

    with o.usage():
        found = [sent(code, number) for code in given or examples()]
    if as_json:
        print_json([one.to_json() for one in found])
        return
    table = columns(("code", "train", "stands for", "off by", "events", "bits of one"))
    for one in found:
        off = signed(one.value - number, 4)
        table.add_row(one.code, one.drawn, f"{one.value:.4f}", off, str(one.events), f"{one.bits:.2g}")
    tell(table, "_ is a silent step, . a digit without an event; 1 is the largest number that each code is made for")
