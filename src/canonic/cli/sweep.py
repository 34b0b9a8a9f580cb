"""The command that sweeps, and its results as a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canonic.cli import options as o
from canonic.cli import trying as t
from canonic.cli.group import finish, print_json

if TYPE_CHECKING:
    from canonic.sweep import Outcome, Setting, Sweep


def sweep(
    model: o.Model,
    data: o.DataName,
    calibration: t.Calibration,
    out: t.Folder,
    weights: o.Weights = None,
    classes: o.Classes = "",
    output: o.Output = None,
    limit: o.Limit = None,
    batch_size: o.BatchSize = 100,
    mean: o.Mean = "",
    std: o.Std = "",
    size: o.Size = None,
    grey: o.Grey = False,
    steps: Annotated[str, typer.Option("--steps", "-T", help="Values of T, as 4,6,8.")] = "8",
    silent: Annotated[str, typer.Option("--silent", "-k", help="Values of k, as 0,1,2,auto.")] = "1",
    phi: Annotated[str, typer.Option(help="Values of phi, as 0.5,0.55.")] = "0.5",
    beta: Annotated[str, typer.Option(help="Values of the radix, as 2,4.")] = "2",
    levels: Annotated[str, typer.Option("--levels", "-L", help="Largest digits, as 1,8,auto.")] = "1",
    codes: Annotated[
        str, typer.Option(help="Codes, as css,burst:8,latency: css without parameters has those of the options above.")
    ] = "css",
    threshold: Annotated[str, typer.Option(help="Threshold rules, as mse,max.")] = "mse",
    precision: Annotated[str, typer.Option(help="Precisions, as fp32,bf16,int8.")] = "fp32",
    limit_steps: Annotated[
        int | None,
        typer.Option(min=1, help="Search which layers get which of the codes: few events in so many total steps."),
    ] = None,
    energy: Annotated[str, typer.Option(help=f"Model of the energy that is compared: {o.ENERGY}.")] = "horowitz45",
    as_json: o.Json = False,
) -> None:
    """Convert and measure a network in all combinations of settings; find those that no other beats."""
    from canonic.cli.search import search
    from canonic.cluster import workers
    from canonic.report import save_figure
    from canonic.report.fronts import pareto_fronts
    from canonic.sweep import sweep as run

    family = {"steps": steps, "silent": silent, "phi": phi, "beta": beta, "levels": levels}
    compared_by = o.energy_model(energy)
    settings = _settings(codes, family, _words(threshold), _words(precision))
    source = t.Source(model, weights, o.preprocessing(mean, std, size, grey), calibration, data)
    asked = t.Asked(classes, output, limit, batch_size)
    if limit_steps is not None:
        search(source, asked, settings, limit_steps, out, as_json=as_json)
        return
    opened = t.opened(source, asked)
    with t.kept():
        found = run(*opened, settings, out, output=output, energy=compared_by)
    finish()
    if workers().first:
        save_figure(pareto_fronts(found, f"{model} on {data}"), out / "fronts.png")
    _print(found, out, as_json=as_json)
    if not any(outcome.evaluation for outcome in found.outcomes):
        raise typer.Exit(1)


def _settings(
    codes: str, family: Mapping[str, str], threshold: Sequence[str], precision: Sequence[str]
) -> "tuple[Setting, ...]":
    """Return the settings that the lists of the options make."""
    from canonic.codes import codes_in
    from canonic.sweep import grid

    with o.usage():
        numbers = tuple(map(int, _words(family["steps"]))), _or_auto("silent", family), o.numbers(family["phi"])
        graded = {"beta": o.numbers(family["beta"]), "levels": _or_auto("levels", family)}
        return grid(*numbers, threshold, precision, codes=codes_in(codes), **graded)  # type: ignore[arg-type]


def _or_auto(name: str, family: Mapping[str, str]) -> tuple[int | str, ...]:
    """Return the numbers in a list, among which "auto" may be."""
    pairs = (o.number_or_auto(name, word, 1) for word in _words(family[name]))
    return tuple(number if chosen is None else chosen for number, chosen in pairs)


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _print(found: "Sweep", out: Path, *, as_json: bool) -> None:
    from canonic.cli.terminal import columns, tell
    from canonic.measure.summary import calibrated

    if as_json:
        print_json(found.to_json())
        return
    measured = _measures(found)
    table = columns(("code", "threshold", "precision", "total steps", *measured, "energy uJ", "not beaten in"))
    for outcome, *shown in zip(found.outcomes, *measured.values(), strict=True):
        table.add_row(*_row(outcome, found, tuple(shown)), style="" if outcome.evaluation else "dim")
    evaluations = [outcome.evaluation for outcome in found.outcomes if outcome.evaluation]
    seen = calibrated(evaluations[0]["data"]) if evaluations else ""
    wanted = "accuracy" if "accuracy %" in measured else "likeness to the source"
    tell(
        *([f"SEEN BEFORE: {seen}"] if seen else []),
        table,
        *(f"{outcome.setting} was refused: {outcome.refused}" for outcome in found.outcomes if outcome.refused),
        f"energy: estimated by {found.model} for one sample; not beaten in energy, or in steps: no other setting has "
        f"as much {wanted} for less; {out}: a file with all measures of each setting, and fronts.png",
    )


def _measures(found: "Sweep") -> dict[str, list[str]]:
    """Return the columns of what was measured: the shares that there are, and the ratio where there is no accuracy."""
    shares = {
        "accuracy %": [outcome.accuracy for outcome in found.outcomes],
        "agreement %": [outcome.agreement for outcome in found.outcomes],
    }
    shown = {name: ["" if s is None else f"{100 * s:.2f}" for s in column] for name, column in shares.items()}
    shown = {name: column for name, column in shown.items() if any(column)}
    if "accuracy %" not in shown:
        shown["output, dB"] = ["" if o.snr is None else f"{o.snr:.1f}" for o in found.outcomes]
    return shown


def _row(outcome: "Outcome", found: "Sweep", measured: tuple[str, ...]) -> tuple[str, ...]:
    s = outcome.setting
    setting = (s.text.replace(",", ", "), s.threshold, s.precision)
    energy = found.energy(outcome)
    if energy is None:
        return (*setting, "refused", *measured, "", "")
    fronts = {"energy": found.saving_energy, "steps": found.saving_steps}
    best = ", ".join(name for name, front in fronts.items() if outcome in front)
    return (*setting, str(outcome.total_steps), *measured, f"{energy:.4g}", best)
