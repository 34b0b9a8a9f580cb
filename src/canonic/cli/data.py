"""From what the user types to samples and batches, and what is said of them."""

import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.utils.data import DataLoader

from canonic.cluster import workers
from canonic.datasets import (
    Data,
    Preprocessing,
    collate,
    inputs_of,
    labels_of,
    open_data,
    sample,
    unlabelled,
    with_classes,
)
from canonic.errors import DataError
from canonic.network import SpikingNetwork
from canonic.network.classes import count_classes, require_names
from canonic.network.outputs import named_outputs, place_called

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

Network = SpikingNetwork | nn.Module | ExportedProgram


def class_names(text: str) -> tuple[str, ...]:
    """Return the names in a list such as "cat,dog", or in a file of one a line.

    Raises:
        DataError: if the file cannot be read.
    """
    path = Path(text)
    if not text or not path.is_file():
        return tuple(name.strip() for name in text.split(",") if name.strip())
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the names of the classes in {path} ({error}): write one a line") from None


def names_of(snn: SpikingNetwork, text: str, output: str | None) -> tuple[str, ...]:
    """Return the names of the classes of an output: those that the user gives, else those that were kept with it.

    Raises:
        DataError: if the user gives more or fewer.
    """
    kept = tuple(snn.record.get("classes", ()))
    if not text and len(kept) == count_classes(snn.graph, output):
        return kept
    names = class_names(text)
    require_names(snn.graph, names, output)
    return names


def samples_of(network: Network, name: str, prepare: Preprocessing, limit: int | None) -> Data:
    """Return samples for a network; what their labels are is left open."""
    data = _opened(network, name, prepare)
    _say(getattr(data, "notes", ()))
    return sample(data, limit)


def labelled_samples(
    network: Network,
    name: str,
    prepare: Preprocessing,
    limit: int | None,
    names: Sequence[str],
    output: str | None,
) -> Data:
    """Return samples for a network, their classes numbered as it numbers them; say so if they have none.

    Args:
        network: that they are for.
        name: of the data.
        prepare: applied to each sample.
        limit: at most so many.
        names: of the classes, in their order; none if they are not known.
        output: that the labels are of, as for ``evaluate``.

    Raises:
        DataError: if the network does not know a class.
    """
    data = _opened(network, name, prepare)
    outputs = _outputs(network, data, output) if labels_of(data).named else None
    known, notes = with_classes(data, name, names, outputs)
    only = labels_of(known).only
    _say(
        [
            *getattr(data, "notes", ()),
            *unlabelled(data, name),
            *notes,
            *([f"all samples of {name} are of one class, {only}"] if only else []),
        ]
    )
    return sample(known, limit)


def batches(data: Data, size: int) -> "DataLoader[Any]":
    """Return the batches of a data set, in order."""
    return DataLoader(data, batch_size=size, collate_fn=collate)


def kept_names(snn: SpikingNetwork, data: Data, name: str) -> list[str]:
    """Return the names of the classes of calibration data, where the network has an output for each; say if not."""
    names, outputs = labels_of(data).names, count_classes(snn.graph)
    if names and len(names) != outputs:
        _say([f"{name} has {len(names)} classes, the network {outputs or 'other'} outputs: their names are not kept"])
        return []
    return list(names)


def _opened(network: Network, name: str, prepare: Preprocessing) -> Data:
    """Return the data of a name; raise a DataError if it gives the network more or fewer inputs than it needs."""
    needed, others = _inputs(network)
    data = open_data(name, prepare, [*needed, *others])
    given = inputs_of(data) if len(data) else ()  # type: ignore[arg-type]
    if isinstance(given, Mapping) or len(given) == len(needed) or not given:
        return data
    raise DataError(
        f"the network takes {len(needed)} inputs ({', '.join(needed)}), {name} gives {len(given)}: give them in an .npz"
        " file as x, x2, ... or under these names"
    )


def _inputs(network: Network) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names of what a network takes, and of what it may take beside."""
    if isinstance(network, SpikingNetwork):
        return network.graph.inputs, ()
    if isinstance(network, ExportedProgram):
        return [str(name) for name in network.graph_signature.user_inputs], ()
    parameters = [p for p in inspect.signature(network.forward).parameters.values() if p.kind not in VARIABLE]
    needed = [p.name for p in parameters if p.default is p.empty] or [p.name for p in parameters[:1]] or ["input"]
    return needed, [p.name for p in parameters if p.name not in needed]


def _outputs(network: Network, data: Data, output: str | None) -> int | None:
    """Return how many classes a network tells apart; None if its output is no ``[batch, classes]``."""
    if isinstance(network, SpikingNetwork):
        return count_classes(network.graph, output)
    *inputs, _ = collate([data[0], data[0]])
    run = network if isinstance(network, nn.Module) else network.module()
    try:
        with torch.no_grad():
            found = named_outputs(run(**inputs[0]) if isinstance(inputs[0], Mapping) else run(*inputs))
    except Exception:  # noqa: BLE001 - the conversion, which comes next, says what the network cannot take
        return None
    place = place_called(list(found), output)
    answer = None if place is None else list(found.values())[place]
    return answer.shape[1] if isinstance(answer, Tensor) and answer.dim() == 2 else None


def _say(notes: Sequence[str]) -> None:
    if workers().first:
        for note in notes:
            print(f"canonic: {note}", file=sys.stderr)
