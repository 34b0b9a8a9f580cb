"""Files of NIR: HDF5, written whole or not at all, and read without trust."""

import io
import json
from collections.abc import Iterator, Mapping
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from canonic.errors import StorageError
from canonic.export.nir.graph import to_nir
from canonic.export.nir.key import FORMAT, KEY, Array, require_package
from canonic.export.nir.raw import Group, read_raw
from canonic.export.nir.transposed import original
from canonic.network import SpikingNetwork
from canonic.network.storage import UPDATE, restored, write_whole


def save_nir(snn: SpikingNetwork, path: str | PathLike[str]) -> None:
    """Write a network as a file of NIR.

    Raises:
        ExportError: if NIR cannot hold it; the message names all nodes.
        StorageError: if the file cannot be written.
    """
    graph, content = to_nir(snn), io.BytesIO()
    require_package().write(content, graph)
    write_whole(Path(path), content.getvalue())


def load_nir(path: str | PathLike[str]) -> SpikingNetwork:
    """Read a network that ``save_nir`` wrote: the one that was written, with the weights that the file holds.

    ``from_nir`` reads graphs of others.

    Raises:
        StorageError: if there is none, it is damaged or of another version.
    """
    graph = read_raw(path)
    about = _about(path, graph)
    try:
        network = json.dumps({**about["plan"], "record": about["record"]})
        tensors = dict(_tensors(about["plan"]["nodes"], graph["nodes"]))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError, ArithmeticError) as error:
        raise StorageError(f"{path} is damaged ({type(error).__name__}: {error}): export it again") from None
    return SpikingNetwork(*restored(path, network, tensors))


def _about(path: str | PathLike[str], graph: Group) -> dict[str, Any]:
    """Return what the metadata of the graph say under the key."""
    metadata = graph.get("metadata")
    text = metadata.get(KEY) if isinstance(metadata, dict) else None
    try:
        about = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict):
        raise StorageError(
            f"{path} is of others: its metadata have no key {KEY!r}; canonic.export.nir.from_nir makes a module of it"
        )
    if about.get("format") != FORMAT:
        raise StorageError(f"{path} is of the format {about.get('format')!r}, and {FORMAT!r} is read: {UPDATE}")
    return about


def _tensors(nodes: list[Mapping[str, Any]], written: Group) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of all nodes, from where the file has them; what was spread over a sample is one again."""
    for node in nodes:
        for name, (place, field, shape, *groups) in node["tensors"].items():
            holder = written[place]
            array = holder["metadata"][field] if field.startswith(KEY) else holder[field]
            array = original(torch.tensor(array), shape, *groups).numpy() if groups else array
            yield f"{node['name']}/{name}", torch.tensor(_shaped(array, shape, f"{field} of {place}"))


def _shaped(array: Array, shape: list[int], name: str) -> Array:
    """Return an array as the tensor that it was: without axes, or spread over a sample."""
    behind: tuple[Any, ...] = (0,) * (array.ndim - len(shape))
    own = array.reshape(shape) if array.size == prod(shape) else array[behind + tuple(map(slice, shape))]
    if list(own.shape) != shape:
        raise ValueError(f"{name} has the shape {list(array.shape)}, where {shape} was written")
    return own
