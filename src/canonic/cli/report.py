"""The report of a network, from a file of it and some data."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from canonic.datasets import Data, collate, sample
from canonic.errors import DataError
from canonic.measure import evaluate
from canonic.measure.facts import fingerprint
from canonic.network import SpikingNetwork
from canonic.report.explorer import explore
from canonic.report.form import require_form
from canonic.report.library import bundle
from canonic.report.page import report

VERIFIED = 100
"""Samples on which the layers are compared with the source network."""


def measured(snn: SpikingNetwork, data: Data, batch_size: int, baselines: int) -> Mapping[str, Any]:
    """Return the evaluation that a report is made of."""
    bundle()  # what is not installed is said before minutes of measuring
    return evaluate(snn, _batches(data, batch_size), baselines=baselines).to_json()


def read_evaluation(path: Path, snn: SpikingNetwork) -> Mapping[str, Any]:
    """Return an evaluation that ``canonic evaluate --json`` printed into a file.

    Raises:
        DataError: if it cannot be read, is not whole, or is of another network.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the evaluation {path} ({error}): write it with canonic evaluate --json") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} holds no evaluation: write it with canonic evaluate --json > {path}")
    require_form(found, str(path), f"write it again with canonic evaluate --json > {path}")
    theirs, ours = found["network"]["fingerprint"], fingerprint(snn)
    if theirs != ours:
        raise DataError(
            f"{path} is of another network: its fingerprint is {theirs[:12]}, that of this one {ours[:12]}; evaluate "
            "this one, or leave out --evaluation"
        )
    return found


def make_report(
    snn: SpikingNetwork,
    data: Data,
    evaluation: Mapping[str, Any],
    *,
    title: str,
    pictures: int,
    classes: Sequence[str],
    batch_size: int,
) -> str:
    """Return a report as HTML.

    Args:
        snn: the network.
        data: samples with labels.
        evaluation: of the network.
        title: its name.
        pictures: how many samples the explorer shows.
        classes: their names; those of the data if there are none.
        batch_size: samples at once.
    """
    verification = snn.verify(_batches(sample(data, VERIFIED), batch_size)).to_json()
    shown = sample(data, max(1, pictures))
    samples = [shown[index] for index in range(len(shown))] if pictures else []  # type: ignore[arg-type]
    named = classes or _classes_of(data, snn.graph[snn.graph.outputs[0]].size)
    classifies = evaluation["task"] == "classification"
    explorer = explore(snn, samples, named, classifies=classifies) if samples else None
    return report(evaluation, verification, snn.describe(), explorer, title)


def _batches(data: Data, size: int) -> DataLoader[Any]:
    return DataLoader(data, batch_size=size, collate_fn=collate)


def _classes_of(data: Data, outputs: int) -> Sequence[str]:
    """Return the names of the classes where they come from folders, one for each output of the network."""
    whole = getattr(data, "dataset", data)
    names: Sequence[str] = getattr(whole, "classes", ())
    return names if len(names) == outputs else ()
