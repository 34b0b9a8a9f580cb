"""What the commands share that convert a network more than once: their options, their data, and Ctrl-C."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

    from canonic.datasets import Preprocessing
    from canonic.frontend import Model

CALIBRATION = 1000
"""Samples that calibrate, at most: as many as ``canonic convert`` takes."""

Calibration = Annotated[str, typer.Option(help="Data for the calibration, in the same forms; 1,000 samples of it.")]
Folder = Annotated[Path, typer.Option(help="Folder for the results; the same command goes on with what is there.")]


class Asked(NamedTuple):
    """What is measured of the data: options of those names."""

    classes: str
    output: str | None
    limit: int | None
    batch_size: int


class Source(NamedTuple):
    """What a command is about: options of those names."""

    model: str
    weights: Path | None
    prepare: "Preprocessing"
    calibration: str
    data: str = ""


class Opened(NamedTuple):
    """A network, what calibrates it, and what it is measured on."""

    model: "Model"
    calibration: "DataLoader[Any]"
    data: "DataLoader[Any]"


def opened(source: Source, asked: Asked) -> Opened:
    """Return what the options of a command name."""
    from canonic.cli import data as d
    from canonic.cli.classes import class_names, own_names
    from canonic.cli.models import open_model
    from canonic.datasets import labels_of

    network = open_model(source.model, source.weights)
    known = d.samples_of(network, source.calibration, source.prepare, CALIBRATION)
    names = class_names(asked.classes) or own_names(network) or labels_of(known).names
    unseen = d.labelled_samples(network, source.data, source.prepare, asked.limit, names, asked.output)
    return Opened(network, d.batches(known, asked.batch_size), d.batches(unseen, asked.batch_size))


@contextmanager
def kept() -> Iterator[None]:
    """Print, after Ctrl-C, how much is done and kept."""
    from canonic.cluster import workers

    try:
        yield
    except KeyboardInterrupt as stop:
        if workers().first:
            print(f"canonic: {stop}", file=sys.stderr)
        raise
