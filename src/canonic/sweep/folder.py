"""The folder of a sweep: one file for each setting, written whole or not at all, and one that says what was swept."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from canonic.conversion.calibrate import Calibration
from canonic.errors import DataError, StorageError
from canonic.network.batch import require_batches
from canonic.network.graph import Graph, Population
from canonic.network.outputs import Output, output_called, output_names
from canonic.network.storage import write_json
from canonic.sweep.grid import Setting
from canonic.sweep.result import Outcome

FORMAT = "canonic sweep 4"

READABLE = 160
"""Characters of a file's name that say what is in it."""


@dataclass(frozen=True)
class Folder:
    """A folder of results.

    Attributes:
        path: of the folder.
        identity: of what is swept: its results depend on the setting and on nothing else.
    """

    path: Path
    identity: Mapping[str, str]

    def file(self, setting: Setting) -> Path:
        """Return the file of a setting: its name has a hash of all that determines what is in it."""
        determined = json.dumps([dict(self.identity), setting.to_json()], sort_keys=True)
        return self.path / f"{str(setting)[:READABLE]}-{_hashed(determined)[:8]}.json"

    def count(self, settings: Iterable[Setting]) -> int:
        """Return how many of some settings are in it."""
        return sum(self.file(setting).exists() for setting in settings)

    def write(self, outcome: Outcome) -> None:
        """Write what came of a setting."""
        write_json(self.file(outcome.setting), outcome.to_json())

    def read(self, setting: Setting) -> Outcome | None:
        """Return what came of a setting; None if it was not tried yet.

        Raises:
            StorageError: if its file is damaged.
        """
        file = self.file(setting)
        return Outcome.from_json(_read(file)) if file.exists() else None


def open_folder(path: Path, identity: Mapping[str, str]) -> Folder:
    """Return the folder of a sweep, made if there is none.

    Raises:
        StorageError: if it cannot be made, or belongs to a sweep of something else, or to another version.
    """
    file = path / "sweep.json"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {path} ({error.strerror}): choose another") from None
    if not file.exists():
        write_json(file, {"format": FORMAT, "identity": dict(identity)})
    kept = _read(file)
    if kept.get("format") != FORMAT:
        raise StorageError(
            f"{path} holds a sweep of the format {kept.get('format')!r}, this version goes on with {FORMAT!r}: choose "
            "another folder"
        )
    found = kept.get("identity", {})
    others = [key.replace("_", " ") for key in identity if found.get(key) != identity[key]]
    if others:
        raise StorageError(
            f"{path} holds a sweep with another {' and another '.join(others)}, and results are not mixed: choose "
            "another folder, or sweep what was swept there"
        )
    return Folder(path, identity)


def identity_of(graph: Graph, seen: Calibration, data: Iterable[Any], output: Output | None = None) -> dict[str, str]:
    """Return what determines the result of a setting: hashes of network and data, the output, and versions.

    The data is known by its length and its first batch; each evaluation hashes all of it.

    Raises:
        DataError: if the data can be read only once, or is empty, or there is no such output.
    """
    require_batches(data, "the evaluation data")
    if iter(data) is data:
        raise DataError("a sweep reads the data once for every setting: pass a DataLoader or a list, no generator")
    first = next(iter(data), None)
    if first is None:
        raise DataError("the evaluation data is empty: pass at least one batch, (x, y) or (x,)")
    place = output_called(graph, output)
    nodes = [
        (n.name, n.operator, n.inputs, n.shape, n.neurons if isinstance(n, Population) else None, n.tensors)
        for n in graph.nodes
    ]
    return {
        "network": _hashed(nodes),
        "calibration_data": seen.digest.sha256,
        "output": "all" if place is None else output_names(graph)[place],
        "data": _hashed(len(data) if isinstance(data, Sized) else None, first),
        "version_of_canonic": version("canonic"),
        "version_of_torch": torch.__version__,
    }


def _hashed(*values: object) -> str:
    digest = hashlib.sha256()
    for value in values:
        if isinstance(value, Tensor):
            digest.update(f"{value.dtype} {list(value.shape)}".encode())
            digest.update(value.cpu().contiguous().numpy().tobytes())
        elif isinstance(value, list | tuple):
            digest.update(_hashed(*value).encode())
        elif isinstance(value, Mapping):
            digest.update(_hashed(*sorted(value.items())).encode())
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{file} is damaged ({error}): remove it, and the sweep makes it again") from None
    return dict(found)
