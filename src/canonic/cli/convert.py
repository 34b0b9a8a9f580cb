"""The command that converts."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from canonic.cli import options as o
from canonic.cli import trying as t
from canonic.cli.group import finish, print_json

if TYPE_CHECKING:
    from canonic.codes import Weighted
    from canonic.conversion import Settings
    from canonic.goals import Goal

LIMIT = 1000
"""Samples that a conversion takes, where a goal needs no more."""


def convert(
    model: o.Model,
    data: o.DataName,
    out: Annotated[Path, typer.Option(help="File for the spiking network.")] = Path("network.safetensors"),
    weights: o.Weights = None,
    classes: o.Classes = "",
    limit: Annotated[
        int | None, typer.Option(help="Use at most this many samples, evenly spaced: 1,000, or what the goal needs.")
    ] = None,
    batch_size: o.BatchSize = 100,
    mean: o.Mean = "",
    std: o.Std = "",
    size: o.Size = None,
    grey: o.Grey = False,
    goal: Annotated[
        str | None,
        typer.Option(help="What must hold, as agreement=0.99,minimise=events,levels=8; usual, if no code is given."),
    ] = None,
    code: o.CodeOrGoal = None,
    steps: o.StepsOrGoal = None,
    silent: o.SilentOrAuto = None,
    beta: o.Beta = None,
    phi: o.Phi = None,
    levels: o.Levels = None,
    threshold: Annotated[str, typer.Option(help="mse, max, percentile, balance or ceiling.")] = "mse",
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
    from canonic.network.precision import require_precision

    family: dict[str, Any] = {
        "code": code,
        "steps": steps,
        "silent": silent,
        "beta": beta,
        "phi": phi,
        "levels": levels,
    }
    named = {name: value for name, value in family.items() if value is not None}
    with o.usage():
        if percentile is not None and threshold != "percentile":
            raise ValueError(f"--percentile {percentile} has no effect on --threshold {threshold}")
        require_precision(precision)
        usual = Settings(threshold, percentile or 99.9, input_code, bias)  # type: ignore[arg-type]
        sent, settings = Numbers(**named).read(usual)
        wanted = _goal(goal, named, settings)
    o.require_writable(out)
    prepare = o.preprocessing(mean, std, size, grey)
    opened, names = open_model(model, weights), class_names(classes)
    samples = d.samples_of(opened, data, prepare, limit or _enough(wanted))
    given: dict[str, Any] = {"goal": wanted} if wanted else {"code": sent}
    snn = convert_model(opened, d.batches(samples, batch_size), **given, settings=settings, classes=names)
    source = t.Source(model, weights, prepare, data)
    snn = remembering(snn, opened, samples, source, names).to_precision(precision)  # type: ignore[arg-type]
    finish()
    if workers().first:
        snn.save(out)
    print_json({"file": str(out), **snn.describe()}) if as_json else show_network(snn, out)


@dataclass(frozen=True)
class Numbers:
    """A code as options say it."""

    code: str = "css"
    steps: int = 8
    silent: str = "1"
    beta: float = 2.0
    phi: float = 0.5
    levels: str = "1"

    def read(self, settings: "Settings") -> "tuple[Weighted, Settings]":
        """Return the code, and the settings with what is to be chosen by population."""
        k, silent = o.silent_steps(self.silent)
        digits, levels = o.levels_of(self.levels, self.beta)
        sent = o.code_named(self.code, o.css(self.steps, k, self.beta, self.phi, digits))
        return sent, replace(settings, silent=silent, levels=levels)


def _goal(text: str | None, named: dict[str, Any], settings: "Settings") -> "Goal | None":
    """Return the goal that is written; the usual one where nothing is said of the code, nor by settings."""
    from canonic.conversion import Settings
    from canonic.goals import Goal
    from canonic.goals.written import goal_of

    if text is None:
        return None if named or settings != Settings() else Goal()
    if named:
        raise typer.BadParameter(
            f"--goal {text} chooses what --code, -T, -k, --beta, --phi and -L would say: leave --{next(iter(named))} "
            "out, or the goal"
        )
    return goal_of(text)


def _enough(goal: "Goal | None") -> int:
    """Return how many samples to convert with, where nothing is said of it."""
    from canonic.goals.demanded import most_held

    return max(LIMIT, most_held(goal) if goal else 0)
