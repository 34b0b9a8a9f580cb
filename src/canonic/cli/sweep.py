"""The command that sweeps, and its results as a table."""

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
    threshold: Annotated[str, typer.Option(help="Threshold rules, as mse,max.")] = "mse",
    precision: Annotated[str, typer.Option(help="Precisions, as fp32,bf16,int8.")] = "fp32",
    as_json: o.Json = False,
) -> None:
    """Convert and measure a network in all combinations of settings; find those that no other beats."""
    from canonic.cluster import workers
    from canonic.report import save_figure
    from canonic.report.fronts import pareto_fronts
    from canonic.sweep import sweep as run

    settings = _settings(steps, silent, phi, threshold, precision)
    prepare = o.preprocessing(mean, std, size, grey)
    asked = t.Asked(classes, output, limit, batch_size)
    given = t.given(model, weights, prepare, calibration, data, asked)
    with t.kept():
        found = run(*given, settings, out, output=output)
    finish()
    if workers().first:
        save_figure(pareto_fronts(found, f"{model} on {data}"), out / "fronts.png")
    _print(found, out, as_json=as_json)
    if not any(outcome.evaluation for outcome in found.outcomes):
        raise typer.Exit(1)


def _settings(steps: str, silent: str, phi: str, threshold: str, precision: str) -> "tuple[Setting, ...]":
    """Return the settings that the lists of the options make."""
    from canonic.sweep import grid

    ks = tuple(k if chosen is None else chosen for k, chosen in map(o.silent_steps, _words(silent)))
    with o.usage():
        return grid(tuple(map(int, _words(steps))), ks, o.numbers(phi), _words(threshold), _words(precision))


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _print(found: "Sweep", out: Path, *, as_json: bool) -> None:
    from canonic.cli.terminal import columns, tell
    from canonic.measure.summary import calibrated

    if as_json:
        print_json(found.to_json())
        return
    measured = _measures(found)
    settings = ("T", "k", "phi", "threshold", "precision")
    table = columns((*settings, "total steps", *measured, "energy uJ", "not beaten in"))
    for outcome, *shown in zip(found.outcomes, *measured.values(), strict=True):
        table.add_row(*_row(outcome, found, tuple(shown)), style="" if outcome.evaluation else "dim")
    evaluations = [outcome.evaluation for outcome in found.outcomes if outcome.evaluation]
    seen = calibrated(evaluations[0]["data"]) if evaluations else ""
    wanted = "accuracy" if "accuracy %" in measured else "likeness to the source"
    tell(
        *([f"SEEN BEFORE: {seen}"] if seen else []),
        table,
        *(f"{outcome.setting} was refused: {outcome.refused}" for outcome in found.outcomes if outcome.refused),
        "energy: estimated, of the arithmetic for one sample; not beaten in energy, or in steps: no other setting has "
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
    setting = (str(s.steps), str(s.silent), f"{s.phi:g}", s.threshold, s.precision)
    if outcome.evaluation is None or outcome.energy is None:
        return (*setting, "refused", *measured, "", "")
    fronts = {"energy": found.saving_energy, "steps": found.saving_steps}
    best = ", ".join(name for name, front in fronts.items() if outcome in front)
    return (*setting, str(outcome.total_steps), *measured, f"{outcome.energy:.4g}", best)
