"""The command that compares codes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canonic.cli import options as o
from canonic.cli import trying as t
from canonic.cli.group import finish, print_json

if TYPE_CHECKING:
    from canonic.sweep import Comparison


def compare(
    model: o.Model,
    data: o.DataName,
    calibration: t.Calibration,
    out: t.Folder,
    weights: o.Weights = None,
    codes: Annotated[str, typer.Option(help="Codes with their parameters, as 'css:8 rate:32'; else the usual.")] = "",
    classes: o.Classes = "",
    output: o.Output = None,
    energy: o.Energy = "",
    limit: o.Limit = None,
    batch_size: o.BatchSize = 100,
    mean: o.Mean = "",
    std: o.Std = "",
    size: o.Size = None,
    grey: o.Grey = False,
    report: Annotated[Path | None, typer.Option(help="Page of the comparison, with its charts, to write.")] = None,
    as_json: o.Json = False,
) -> None:
    """Convert a network with each of some codes, and measure all on the same samples."""
    from canonic.cluster import workers
    from canonic.codes import codes_in
    from canonic.network.storage import write_json, write_whole
    from canonic.report import save_figure
    from canonic.report.codespage import comparison_page
    from canonic.report.codespicture import codes_compared
    from canonic.report.library import bundle
    from canonic.sweep import compare as run
    from canonic.sweep.comparison import USUAL

    with o.usage():
        named = codes_in(codes) or USUAL
        models = o.energy_models(energy)
    if report:
        bundle()  # what is not installed is said before minutes of measuring
    source = t.Source(model, weights, o.preprocessing(mean, std, size, grey), calibration, data)
    opened = t.opened(source, t.Asked(classes, output, limit, batch_size))
    with t.kept():
        found = run(*opened, named, folder=out, output=output, energy=models)
    finish()
    if workers().first:
        title = f"{model} on {data}"
        save_figure(codes_compared(found, title), out / "codes.png")
        if report:
            write_whole(report, comparison_page(found, title).encode())
        write_json(out / "comparison.json", found.to_json())
    print_json(found.to_json()) if as_json else _print(found, out)
    if all(row.refused for row in found.rows):
        raise typer.Exit(1)


def _print(found: "Comparison", out: Path) -> None:
    from canonic.cli.terminal import columns, tell

    table = columns(found.headings)
    for row, cells in zip(found.rows, found.cells, strict=True):
        table.add_row(*cells, style="dim" if row.refused else "")
    tell(table, found.caption, *found.refusals, f"{out}: comparison.json, codes.png, and all measures of each code")
