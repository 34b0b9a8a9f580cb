"""From what the user types to samples and batches, and what is said of them."""

import inspect
import sys
from collections.abc import Mapping, Sequence
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
from canonic.frontend import Example, arguments
from canonic.learn.zoo.trial import ZooTrial
from canonic.network import SpikingNetwork
from canonic.network.classes import count_classes
from canonic.network.outputs import named_outputs, place_called

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

Network = SpikingNetwork | ZooTrial | nn.Module | ExportedProgram


def samples_of(network: Network, name: str, prepare: Preprocessing, limit: int | None) -> Data:
    """Return samples for a network; what their labels are is left open."""
    data = _opened(network, name, prepare)
    say(getattr(data, "notes", ()))
    return sample(data, limit)


def example_in(model: nn.Module | ExportedProgram, name: str) -> Example:
    """Return the first sample of some data, as a batch of one that the model takes."""
    return arguments(model, collate([_opened(model, name, Preprocessing())[0]]), name)


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
    say(
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


def _opened(network: Network, name: str, prepare: Preprocessing) -> Data:
    """Return the data of a name; raise a DataError if it gives the network more or fewer inputs than it needs."""
    needed, others = taken_by(network)
    data = open_data(name, prepare, [*needed, *others])
    given = inputs_of(data) if len(data) else ()  # type: ignore[arg-type]
    if isinstance(given, Mapping) or len(given) == len(needed) or not given:
        return data
    raise DataError(
        f"the network takes {len(needed)} inputs ({', '.join(needed)}), {name} gives {len(given)}: give them in an .npz"
        " file as x, x2, ... or under these names"
    )


def taken_by(network: Network) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names of what a network takes, and of what it may take beside."""
    if isinstance(network, SpikingNetwork):
        return network.graph.inputs, ()
    if isinstance(network, ZooTrial):
        return ("x",), ()
    if isinstance(network, ExportedProgram):
        return [str(name) for name in network.graph_signature.user_inputs], ()
    parameters = [p for p in inspect.signature(network.forward).parameters.values() if p.kind not in VARIABLE]
    needed = [p.name for p in parameters if p.default is p.empty] or [p.name for p in parameters[:1]] or ["input"]
    return needed, [p.name for p in parameters if p.name not in needed]


def _outputs(network: Network, data: Data, output: str | None) -> int | None:
    """Return how many classes a network tells apart; None if its output is no ``[batch, classes]``."""
    if isinstance(network, SpikingNetwork):
        return count_classes(network.graph, output)
    if isinstance(network, ZooTrial):
        return network.classes
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


def say(notes: Sequence[str]) -> None:
    """Print what the user should know beside the result; of several processes the first does."""
    if workers().first:
        for note in notes:
            print(f"canonic: {note}", file=sys.stderr)
