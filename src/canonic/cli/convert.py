"""The command that converts."""

from pathlib import Path
from typing import Annotated

import typer

from canonic.cli import options as o
from canonic.cli import trying as t
from canonic.cli.group import finish, print_json


def convert(
    model: o.Model,
    data: o.DataName,
    out: Annotated[Path, typer.Option(help="File for the spiking network.")] = Path("network.safetensors"),
    weights: o.Weights = None,
    classes: o.Classes = "",
    limit: o.Limit = 1000,
    batch_size: o.BatchSize = 100,
    mean: o.Mean = "",
    std: o.Std = "",
    size: o.Size = None,
    grey: o.Grey = False,
    goal: Annotated[
        str | None,
        typer.Option(help="What must hold, in place of a code, as agreement=0.99,minimise=events,levels=8."),
    ] = None,
    code: o.Code = "css",
    steps: o.Steps = 8,
    silent: o.SilentOrAuto = "1",
    beta: o.Beta = 2.0,
    phi: o.Phi = 0.5,
    levels: o.Levels = "1",
    threshold: Annotated[str, typer.Option(help="mse, max, percentile or balance.")] = "mse",
    percentile: Annotated[float | None, typer.Option(help="For the rule of that name; 99.9 if not given.")] = None,
    input_code: o.InputCode = "direct",
    bias: Annotated[str, typer.Option(help="first (with the first digit) or spread (over all).")] = "first",
    precision: Annotated[str, typer.Option(help="fp32, bf16x2, bf16 (rounded weights) or int8 (integers).")] = "fp32",
    as_json: o.Json = False,
) -> None:
    """Turn a trained network into a spiking one, calibrated on some data, and save it."""
    from canonic.cli import data as d
    from canonic.cli.classes import class_names
    from canonic.cli.models import open_model
    from canonic.cli.provenance import remembering
    from canonic.cli.render import show_network
    from canonic.cluster import workers
    from canonic.conversion import Settings
    from canonic.goals import convert as convert_model
    from canonic.goals.written import goal_of
    from canonic.network.precision import require_precision

    with o.usage():
        if percentile is not None and threshold != "percentile":
            raise ValueError(f"--percentile {percentile} has no effect on --threshold {threshold}")
        require_precision(precision)
        k, chosen = o.silent_steps(silent)
        digits, graded = o.levels_of(levels, beta)
        rule = threshold, percentile or 99.9, input_code, bias
        settings = Settings(*rule, silent=chosen, levels=graded)  # type: ignore[arg-type]
        wanted = None if goal is None else goal_of(goal)
    o.require_writable(out)
    sent, prepare = o.code_named(code, o.css(steps, k, beta, phi, digits)), o.preprocessing(mean, std, size, grey)
    if wanted is not None and (sent != o.css(8, 1, 2.0, 0.5) or "auto" in (silent, levels)):
        raise typer.BadParameter(
            f"--goal {goal} chooses what --code, -T, -k, --beta, --phi and -L would say: leave them out, or the goal"
        )
    opened, names = open_model(model, weights), class_names(classes)
    samples = d.samples_of(opened, data, prepare, limit)
    given = {"code": sent} if wanted is None else {"goal": wanted}
    snn = convert_model(opened, d.batches(samples, batch_size), **given, settings=settings, classes=names)
    source = t.Source(model, weights, prepare, data)
    snn = remembering(snn, opened, samples, source, names).to_precision(precision)  # type: ignore[arg-type]
    finish()
    if workers().first:
        snn.save(out)
    print_json({"file": str(out), **snn.describe()}) if as_json else show_network(snn, out)
