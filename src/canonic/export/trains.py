"""The spikes of a run as a list of events, and the traffic that a mesh of cores would see."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from canonic.errors import DataError
from canonic.export.hdf5 import require_hdf5
from canonic.export.integers.windows import moves
from canonic.measure.fanout import fan_out
from canonic.network import SpikingNetwork
from canonic.network.graph import Graph, Node, Population
from canonic.network.storage import write_whole
from canonic.network.trace import LayerTrace

FORMAT = "canonic events 1"
CORE = 256
"""Neurons of a core; a population begins with a core of its own."""
HDF5 = (".h5", ".hdf5")
"""Ends of the names of files that are HDF5."""


@dataclass(frozen=True)
class Trains:
    """The events of a run, in the order of sample, time, layer and neuron.

    Attributes:
        sample: which of the batch, from 0.
        time: step, from 1, when all populations run at once.
        layer: index of the population, from 0.
        neuron: index in the population, flattened.
        level: the digit: 1 or -1 where spikes are ternary.
        layers: names of the populations.
        sizes: neurons of each.
        fan_out: of each neuron, all populations one after another: synapses that one of its events meets.
        steps: of the run, to the last digit of the answer.
        samples: of the batch.
    """

    sample: Int[ndarray, " events"]
    time: Int[ndarray, " events"]
    layer: Int[ndarray, " events"]
    neuron: Int[ndarray, " events"]
    level: Float[ndarray, " events"]
    layers: tuple[str, ...]
    sizes: tuple[int, ...]
    fan_out: Int[ndarray, " neurons"]
    steps: int
    samples: int


@dataclass(frozen=True)
class Traffic:
    """What a network of cores carries.

    Attributes:
        events: of each layer in each step, on average over samples.
        most_events: the most events of a layer in a step, of any sample.
        deliveries: synapses that these events meet, likewise.
        most_deliveries: likewise.
        most_of_a_core: the most events that leave a core of CORE neurons in a step.
    """

    events: Float[ndarray, "steps layers"]
    most_events: Int[ndarray, " layers"]
    deliveries: Float[ndarray, "steps layers"]
    most_deliveries: Int[ndarray, " layers"]
    most_of_a_core: Int[ndarray, " layers"]


def trains(snn: SpikingNetwork, *inputs: Tensor) -> Trains:
    """Return the events of a run."""
    traced = snn.trace(*inputs)
    layers = tuple(traced)
    parts = [_events(index, layer) for index, layer in enumerate(traced.values())]
    sample, time, layer, neuron, level = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((neuron, layer, time, sample))
    reached = [fan_outs(snn.graph, name).numpy().astype(np.int64).ravel() for name in layers]
    return Trains(
        **{name: x[order] for name, x in (("sample", sample), ("time", time), ("layer", layer))},
        neuron=neuron[order],
        level=level[order],
        layers=layers,
        sizes=tuple(map(len, reached)),
        fan_out=np.concatenate(reached),
        steps=snn.total_steps,
        samples=len(inputs[0]),
    )


def _events(index: int, layer: LayerTrace) -> tuple[ndarray, ...]:
    """Return sample, time, layer, neuron and level of the events of a population."""
    spikes = layer.spikes.cpu().flatten(2).numpy()
    time, sample, neuron = spikes.nonzero()
    level = spikes[time, sample, neuron].astype(np.float64)
    return sample, time + layer.first + 1, np.full_like(time, index), neuron, level


def fan_outs(graph: Graph, name: str) -> Float[Tensor, "..."]:
    """Return how many synapses an event of each element of a stream meets: in all that read it, moved or not."""
    reached = torch.zeros(graph[name].shape, dtype=torch.float64)
    for reader in graph.consumers[name]:
        for index, source in enumerate(reader.inputs):
            if source == name and not isinstance(reader, Population):
                reached = reached + _through(graph, reader, index)
    return reached


def _through(graph: Graph, reader: Node, index: int) -> Float[Tensor, "..."]:
    """Return what a reader of an input brings: its own synapses, or those behind what only moves elements."""
    if reader.scaling != "moves":
        return fan_out(graph, reader, index) if reader.kind == "synapse" else _ones(graph, reader, index)
    shapes = [graph[name].shape for name in reader.inputs]
    places = torch.from_numpy(abs(moves(reader, shapes).astype(np.int64)))
    sizes = [graph[name].size for name in reader.inputs]
    behind = torch.zeros(sum(sizes) + 1, dtype=torch.float64)
    behind.index_add_(0, places, fan_outs(graph, reader.name).flatten())
    return torch.split(behind[1:], sizes)[index].reshape(shapes[index])


def _ones(graph: Graph, reader: Node, index: int) -> Float[Tensor, "..."]:
    """Return one for each element: a function unit reads all events that come."""
    return torch.ones(graph[reader.inputs[index]].shape, dtype=torch.float64)


def traffic(found: Trains) -> Traffic:
    """Return what a mesh of cores carries of these events."""
    begins = np.cumsum((0, *found.sizes))
    counts = np.zeros((found.samples, found.steps + 1, len(found.layers)), np.int64)
    sent = np.zeros_like(counts)
    place = (found.sample, found.time, found.layer)
    np.add.at(counts, place, 1)
    np.add.at(sent, place, found.fan_out[begins[found.layer] + found.neuron])
    return Traffic(counts[:, 1:].mean(0), counts.max((0, 1)), sent[:, 1:].mean(0), sent.max((0, 1)), _of_cores(found))


def _of_cores(found: Trains) -> Int[ndarray, " layers"]:
    """Return the most events that leave a core in a step, for each layer."""
    most = np.zeros(len(found.layers), np.int64)
    keys = np.stack([found.layer, found.sample, found.time, found.neuron // CORE])
    unique, counts = np.unique(keys, axis=1, return_counts=True)
    np.maximum.at(most, unique[0], counts)
    return most


def save_events(snn: SpikingNetwork, path: str | PathLike[str], *inputs: Tensor) -> Trains:
    """Run a network, write its events and return them: as HDF5 where the path ends in .h5 or .hdf5, else as ``.npz``.

    Raises:
        DataError: if there is no sample, or it does not fit.
        ExportError: if HDF5 is wanted, and h5py is not installed.
        StorageError: if the file cannot be written.
    """
    if not inputs or not len(inputs[0]):
        raise DataError("there is no sample to run: give a batch of at least one")
    write = _hdf5 if Path(path).suffix in HDF5 else _npz
    content = io.BytesIO()
    found = trains(snn, *inputs)
    write(content, arrays_of(found))
    write_whole(Path(path), content.getvalue())
    return found


def arrays_of(found: Trains) -> dict[str, ndarray]:
    """Return what a file of events holds: levels are whole numbers where all are."""
    columns = {name: getattr(found, name).astype(np.int32) for name in ("sample", "time", "layer", "neuron", "fan_out")}
    return {
        "format": np.array(FORMAT),
        **columns,
        "level": found.level.astype(np.int16 if not (found.level % 1).any() else np.float32),
        **{name: np.array(getattr(found, name)) for name in ("layers", "sizes", "steps", "samples")},
    }


def _npz(content: io.BytesIO, arrays: Mapping[str, ndarray]) -> None:
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]


def _hdf5(content: io.BytesIO, arrays: Mapping[str, ndarray]) -> None:
    """Write arrays as datasets of the same names; texts are UTF-8."""
    h5py = require_hdf5()
    with h5py.File(content, "w") as file:
        for name, array in arrays.items():
            if array.dtype.kind == "U":
                file.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
            else:
                file.create_dataset(name, data=array, compression="gzip" if array.ndim else None)
