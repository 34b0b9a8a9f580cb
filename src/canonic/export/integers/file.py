"""Files of integer networks: safetensors with JSON in the header, written whole or not at all, read without trust."""

import json
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from canonic.errors import StorageError
from canonic.export.integers.lower import to_integer_network
from canonic.export.integers.network import IntegerNetwork, IntegerNode
from canonic.export.integers.sound import require_sound
from canonic.network import SpikingNetwork
from canonic.network.storage import UPDATE, write_whole

FORMAT = "canonic integers 1"


def save_integers(snn: SpikingNetwork, path: str | PathLike[str]) -> None:
    """Write a network in whole numbers as a file for chips.

    Raises:
        ConversionError: if it cannot be had in whole numbers; the message names the layer.
        ExportError: if a node has no kind there; the message names all of them.
        StorageError: if the file cannot be written.
    """
    network = to_integer_network(snn)
    require_sound(network)
    arrays = {f"{node.name}/{name}": array.copy() for node in network.nodes for name, array in node.arrays.items()}
    text = json.dumps({**asdict(network), "nodes": [_described(node) for node in network.nodes]})
    write_whole(Path(path), save(arrays, {"format": FORMAT, "network": text}))


def load_integers(path: str | PathLike[str]) -> IntegerNetwork:
    """Read what ``save_integers`` wrote.

    Raises:
        StorageError: if there is none, it is damaged or of another version.
    """
    try:
        with safe_open(path, "numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise StorageError(f"there is no file {path}") from None
    except (SafetensorError, OSError, TypeError) as error:
        raise StorageError(f"{path} is no integer network, or it is damaged ({error}): export it again") from None
    if (found := header.get("format")) != FORMAT:
        raise StorageError(f"{path} is of the format {found!r}, and {FORMAT!r} is read: {UPDATE}")
    try:
        network = _network(json.loads(header["network"]), arrays)
        require_sound(network)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise StorageError(f"{path} is damaged ({type(error).__name__}: {error}): export it again") from None
    return network


def _described(node: IntegerNode) -> dict[str, Any]:
    return {name: value for name, value in vars(node).items() if name != "arrays"}


def _network(data: dict[str, Any], arrays: dict[str, ndarray]) -> IntegerNetwork:
    nodes = tuple(_node(described, arrays) for described in data["nodes"])
    return IntegerNetwork(data["steps"], data["radix"], tuple(data["outputs"]), nodes)


def _node(data: dict[str, Any], arrays: dict[str, ndarray]) -> IntegerNode:
    own = {name.rpartition("/")[2]: a for name, a in arrays.items() if name.rpartition("/")[0] == data["name"]}
    tuples = {name: tuple(data[name]) for name in ("reads", "shape", "delays")}
    return IntegerNode(**{**data, **tuples, "arrays": own})
