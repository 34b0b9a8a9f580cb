"""The commands of trained systems: what there is, and its training."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from canonic.cli import options as o
from canonic.cli.group import INTERRUPTED, Told, finish, name_of_process, print_json


def learn(as_json: o.Json = False) -> None:
    """List the systems that can be trained: what each is, its source, its published figure, its data."""
    from canonic.cli.terminal import columns, tell
    from canonic.learn.zoo import entry, names

    kept = ("name", "what", "codes", "gradient", "source", "published", "data", "kind")
    known = [{key: getattr(entry(name), key) for key in kept} for name in names()]
    if as_json:
        print_json(known)
        return
    lines = "{what}\n{codes}; measured here on {data}\n{published} ({source})"
    headings = ("system", "what it is; its codes, input > hidden > output; its published figure")
    tell(columns(headings, [(one["name"], lines.format(**one)) for one in known]))
    tell("canonic train NAME --data digits --out NAME.safetensors")


def train(
    name: Annotated[str, typer.Argument(help="Of the system: see canonic learn.")],
    data: o.DataName,
    out: Annotated[Path, typer.Option(help="File for the trained network.")] = Path("trained.safetensors"),
    test: Annotated[str, typer.Option(help="Data to measure on; t10k-... is beside train-... .")] = "",
    validate: Annotated[str, typer.Option(help="Data that choose the best epoch; else it is the last.")] = "",
    hold_out: Annotated[
        float | None, typer.Option(help="Share of the training samples that is held out and chooses the best epoch.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and noise.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="In place of its recipe's; more with --resume.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last whole epoch.")] = False,
    ann: Annotated[bool, typer.Option(help="Train the network of the same shape without time beside it.")] = True,
    limit: o.Limit = None,
    mean: o.Mean = "",
    std: o.Std = "",
    size: o.Size = None,
    grey: o.Grey = False,
    frames: o.Frames = None,
    as_json: o.Json = False,
) -> None:
    """Train a published spiking system, measure it on data that it has not seen, and save it."""
    from canonic.cli.training import Asked, show_row, trained

    o.require_writable(out)
    if out.suffix == ".training":
        raise typer.BadParameter(f"--out {out} is the folder of the checkpoints: end it in .safetensors")
    if validate and hold_out is not None:
        raise typer.BadParameter("--validate and --hold-out both say which samples choose the best epoch: give one")
    asked = Asked(name, data, test, validate, hold_out, limit, o.preprocessing(mean, std, size, grey, frames))
    try:
        row = trained(asked, out, seed=seed, epochs=epochs, resume=resume, ann=ann)
    except KeyboardInterrupt as stop:
        if not str(stop):
            raise
        print(f"{name_of_process()}: {stop}, with --resume", file=sys.stderr)
        raise Told(INTERRUPTED) from None
    finish()
    print_json({"file": str(out), **row}) if as_json else show_row(row, out)
