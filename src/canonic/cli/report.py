"""The report of a network, from a file of it and some data."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from canonic.cli.data import taken_by
from canonic.cluster import workers
from canonic.datasets import Data, collate, labels_of, sample
from canonic.errors import DataError
from canonic.learn.zoo.trial import ZooTrial
from canonic.measure import evaluate
from canonic.measure.facts import fingerprint
from canonic.measure.tally import digest
from canonic.measure.trial import trial_facts
from canonic.network import SpikingNetwork
from canonic.network.batch import parted
from canonic.network.inputs import checked
from canonic.network.storage import write_whole
from canonic.progress import track
from canonic.report.explorer import explore, outputs_named
from canonic.report.form import require_form
from canonic.report.library import bundle
from canonic.report.page import report

VERIFIED = 100
"""Samples on which the layers are compared with the source network."""


def measured(
    snn: SpikingNetwork | ZooTrial, data: Data, batch_size: int, baselines: int, output: str | None
) -> Mapping[str, Any]:
    """Return the evaluation that a report is made of."""
    bundle()  # what is not installed is said before minutes of measuring
    return evaluate(snn, _batches(data, batch_size), output=output, baselines=baselines).to_json()


def read_evaluation(path: Path, snn: SpikingNetwork | ZooTrial) -> Mapping[str, Any]:
    """Return an evaluation that ``canonic evaluate --json`` printed into a file.

    Raises:
        DataError: if it cannot be read, is not whole, or is of another network.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read the evaluation {path} ({error}): write it with canonic evaluate --json") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} holds no evaluation: write it with canonic evaluate --json > {path}")
    require_form(found, str(path), f"write it again with canonic evaluate --json > {path}")
    theirs, ours = found["network"]["fingerprint"], fingerprint_of(snn)
    if theirs != ours:
        raise DataError(
            f"{path} is of another network: its fingerprint is {theirs[:12]}, that of this one {ours[:12]}; evaluate "
            "this one, or leave out --evaluation"
        )
    return found


def origins(
    evaluation: Mapping[str, Any],
    file: Path | None,
    snn: SpikingNetwork | ZooTrial,
    data: Data,
    name: str,
    batch_size: int,
) -> dict[str, str]:
    """Return the name of the data of each part; for the figures the file, if it is not known to be of this data.

    Raises:
        DataError: if the evaluation in the file is of as many samples, but of others.
    """
    parts = dict.fromkeys(("figures", "layers", "explorer"), name)
    theirs, count = evaluation["data"], len(data)  # type: ignore[arg-type]
    if file is None:
        return parts
    if theirs["samples"] != count:
        return {**parts, "figures": f"{file.name}, not as many as those of {name}"}
    if len(data[0]) <= len(taken_by(snn)[0]):
        return {**parts, "figures": f"{file.name}, not compared with {name}, which has no labels"}
    if theirs["sha256"] != (ours := _hash(snn, data, batch_size)):
        raise DataError(
            f"{file} is of other data than {name}: as many samples ({count:,}), but the hash {theirs['sha256'][:12]} "
            f"and not {ours[:12]}; name the data that was evaluated, or leave out --evaluation"
        )
    return parts


def make_report(
    snn: SpikingNetwork | ZooTrial,
    data: Data,
    evaluation: Mapping[str, Any],
    *,
    title: str,
    origins: Mapping[str, str],
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
        origins: the name of the data of each part.
        pictures: how many samples the explorer shows.
        classes: their names; those of the data if there are none.
        batch_size: samples at once.
    """
    if isinstance(snn, ZooTrial):
        return report(evaluation, None, snn.describe(), None, title, origins)
    trained = snn.plan.stepwise  # without a source network to compare its layers with
    verification = None if trained else snn.verify(_batches(sample(data, VERIFIED), batch_size)).to_json()
    shown = sample(data, max(1, pictures))
    samples = [shown[index] for index in range(len(shown))] if pictures else []  # type: ignore[arg-type]
    output = evaluation["output"]
    named = classes or _classes_of(data, outputs_named(snn, classes, output))
    classifies = evaluation["outputs"][output]["agreement"] is not None or (trained and bool(evaluation["accuracy"]))
    explorer = explore(snn, samples, named, output=output, classifies=classifies) if samples else None
    return report(evaluation, verification, snn.describe(), explorer, title, origins)


def write(out: Path, page: bytes) -> None:
    """Write a page, whole or not at all; of several processes the first does."""
    if workers().first:
        write_whole(out, page)


def fingerprint_of(snn: SpikingNetwork | ZooTrial) -> str:
    """Return the hash of what determines what a network computes."""
    return fingerprint(snn) if isinstance(snn, SpikingNetwork) else trial_facts(snn).fingerprint


def _hash(snn: SpikingNetwork | ZooTrial, data: Data, batch_size: int) -> str:
    """Return the hash of the samples, as in an evaluation."""
    total = 0
    for batch in track(_batches(data, batch_size), "compare the data"):
        given = parted(batch, taken_by(snn)[0], "a batch of the data")
        labels = [y for y in (given.labels,) if isinstance(y, Tensor)]
        inputs = checked(snn.graph, given.inputs, "the data") if isinstance(snn, SpikingNetwork) else given.inputs
        total += digest([*inputs, *labels])
    return f"{total % 2**256:064x}"


def _batches(data: Data, size: int) -> DataLoader[Any]:
    return DataLoader(data, batch_size=size, collate_fn=collate)


def _classes_of(data: Data, outputs: int) -> Sequence[str]:
    """Return the names of the classes of the data, where there is one for each output of the network."""
    names = labels_of(data).names
    return names if len(names) == outputs else ()
