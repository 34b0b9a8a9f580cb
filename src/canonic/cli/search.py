"""The part of ``canonic sweep`` that searches which layers get which code, and its result as a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from canonic.cli import trying as t
from canonic.cli.group import finish, print_json

if TYPE_CHECKING:
    from canonic.sweep import Outcome, Search, Setting

NETWORK, RESULT, PICTURE = "network.safetensors", "search.json", "search.png"
FEW = 3
"""Layers that are named in a row of the table."""

HEADINGS = ("codes", "agreement %", "total steps", "events a sample", "")


def search(
    source: t.Source, asked: t.Asked, settings: "Sequence[Setting]", limit: int, out: Path, *, as_json: bool
) -> None:
    """Search an assignment of the codes of some settings, save the network that has it, and print what was found."""
    from canonic.cli.classes import class_names
    from canonic.cli.provenance import remembering
    from canonic.cluster import workers
    from canonic.conversion import convert
    from canonic.network.storage import write_json
    from canonic.report import save_figure
    from canonic.report.assignments import assignments_searched
    from canonic.sweep import search as run

    codes, rule, precision = _searched(settings)
    opened = t.opened(source, asked)
    alike = {"threshold": rule, "precision": precision, "output": asked.output}
    with t.kept():
        found = run(*opened, codes, out, limit=limit, **alike)  # type: ignore[arg-type]
    best = found.best.setting
    snn = convert(opened.model, opened.calibration, code=best.sent, settings=best.settings)
    snn = remembering(snn, opened.model, opened.calibration.dataset, source, class_names(asked.classes)).to_precision(
        best.precision
    )
    finish()
    if workers().first:
        snn.save(out / NETWORK)
        save_figure(assignments_searched(found, f"{source.model} on {source.data}"), out / PICTURE)
        write_json(out / RESULT, found.to_json())
    print_json(found.to_json()) if as_json else _print(found, out)


def _searched(settings: "Sequence[Setting]") -> tuple[list[str], str, str]:
    """Return the codes of some settings, and the threshold rule and the precision that they have in common."""
    rules, precisions = ({getattr(s, name) for s in settings} for name in ("threshold", "precision"))
    if len(rules) > 1 or len(precisions) > 1:
        raise typer.BadParameter("--limit-steps searches with one --threshold and one --precision: name one of each")
    if any("auto" in (s.silent, s.levels) for s in settings):
        raise typer.BadParameter("--limit-steps searches codes whose steps are known: give -k and -L as numbers")
    return [s.text for s in settings], rules.pop(), precisions.pop()


def _print(found: "Search", out: Path) -> None:
    from canonic.cli.terminal import columns, tell

    table = columns(HEADINGS)
    for outcome in _told(found):
        table.add_row(*_row(outcome, found), style="" if outcome.evaluation else "dim")
    layers = columns(("layer", "code"), found.assigned.items())
    tell(
        table,
        "",
        layers,
        f"of {len(found.outcomes)} that were measured; as good: at most half a point of agreement, or 3 dB, below the "
        "best code alone",
        f"{out}: {NETWORK} with the codes above, {RESULT}, {PICTURE}, and a file with all measures of each",
    )


def _told(found: "Search") -> "list[Outcome]":
    """Return the codes alone, the front, and the best."""
    uniform = [outcome for outcome in found.outcomes if not outcome.setting.layers]
    return list({o.setting: o for o in (*uniform, *found.front, found.best)}.values())


def _row(outcome: "Outcome", found: "Search") -> tuple[str, ...]:
    if outcome.evaluation is None:
        return (_codes(outcome.setting), "", "", "", f"refused: {outcome.refused}")
    shown = f"{100 * outcome.agreement:.2f}" if outcome.agreement is not None else f"{outcome.snr:.1f} dB"
    marks = {"best": [found.best], "front": found.front}
    said = ", ".join(mark for mark, those in marks.items() if outcome in those)
    return (_codes(outcome.setting), shown, str(outcome.total_steps), f"{outcome.events:,.0f}", said)


def _codes(setting: "Setting") -> str:
    """Return the code of most layers, and the others with their layers, or how many these are."""
    others = {code: [name for name, own in setting.layers if own == code] for _, code in setting.layers}
    told = (f"{code} for {', '.join(names) if len(names) <= FEW else len(names)}" for code, names in others.items())
    return "; ".join((setting.text, *told))
