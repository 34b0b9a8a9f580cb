"""Reading a .pt2 file without running what it may hold: a clean copy is made of it, and only that is given to torch.

``torch.export.load`` unpickles weights, constants and sample inputs, loads compiled libraries, and evaluates text. Here
entries that would need it are refused, and of the program itself only words that name something are taken (words.py).
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from canonic.errors import StorageError, first_line
from canonic.frontend.quiet import quiet
from canonic.frontend.words import harmless

_PROGRAM = "models/model.json"
_SAMPLES = "data/sample_inputs/model.pt"
_CONFIGS = {"data/weights/model_weights_config.json": "weight", "data/constants/model_constants_config.json": "tensor"}
_PICKLES = ("data/weights/model.pt", "data/constants/model.pt", _SAMPLES)
_LIBRARIES = "data/aotinductor/"

_BEFORE = {
    "serialized_exported_program.json": _PROGRAM,
    "serialized_state_dict.pt": "data/weights/model.pt",
    "serialized_constants.pt": "data/constants/model.pt",
    "serialized_example_inputs.pt": _SAMPLES,
}
"""The entries of files before torch 2.8, and where they are now."""


def open_program(path: Path) -> ExportedProgram:
    """Return the exported program in a .pt2 file. Nothing in the file is run.

    Raises:
        StorageError: if it is missing, damaged, or could run code; the message names the entry.
    """
    if not path.exists():
        raise StorageError(f"there is no exported program {path}")
    try:
        with quiet(), zipfile.ZipFile(path) as file:
            return torch.export.load(_written(dict(_clean(_entries(file)))))
    except _Unsafe as error:
        raise StorageError(
            f"{path} could run code when it is opened: {error}. Export the model again, with torch.export.save and "
            "plain tensors"
        ) from None
    except Exception as error:  # noqa: BLE001 - torch raises many types for a damaged archive
        raise StorageError(
            f"{path} is damaged or no exported program ({first_line(error)}): write it with torch.export.save"
        ) from None


class _Unsafe(Exception):
    """An entry that could run code."""


def _entries(file: zipfile.ZipFile) -> dict[str, bytes]:
    """Return the entries by their names in the newer of the two formats, without the folder that all are in."""
    names = file.namelist()
    if "version" in names:
        return {_BEFORE[name]: file.read(name) for name in names if name in _BEFORE}
    compiled = next((name for name in names if _LIBRARIES in name), None)
    if compiled:
        raise _Unsafe(f"{compiled} is of a compiled library")
    return {name.partition("/")[2]: file.read(name) for name in names if not name.endswith("/")}


def _clean(entries: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the entries that are needed.

    Raises:
        _Unsafe: if one of them could run code.
    """
    try:
        yield _PROGRAM, json.dumps(harmless(json.loads(entries[_PROGRAM]))).encode()
    except ValueError as error:
        raise _Unsafe(f"in {_PROGRAM} {error}") from None
    for name in _PICKLES:
        if entries.get(name):
            _require_tensors(name, entries[name])
        if name in entries:
            yield name, entries[name]
    for name, kind in _CONFIGS.items():
        if name in entries:
            config = json.loads(entries[name])
            yield name, json.dumps(config).encode()
            folder = name.rpartition("/")[0]
            yield from ((place, entries[place]) for place in _payloads(config, folder, kind))


def _payloads(config: Any, folder: str, kind: str) -> set[str]:
    """Return the entries of plain numbers that a list of tensors names."""
    for name, payload in config["config"].items():
        place = f"{folder}/{payload['path_name']}"
        if payload["use_pickle"] is not False or not re.fullmatch(rf"{kind}_\d+", payload["path_name"]):
            raise _Unsafe(f"{place} ({name}) is a pickle")
    return {f"{folder}/{payload['path_name']}" for payload in config["config"].values()}


def _require_tensors(name: str, pickled: bytes) -> None:
    """Raise unless torch reads a pickle as tensors alone: what it reads once, it reads again in the same way."""
    try:
        torch.load(BytesIO(pickled), weights_only=True, map_location="cpu")
    except Exception:  # noqa: BLE001 - torch raises many types, and most of what is refused is no tensor
        raise _Unsafe(f"{name} is a pickle that cannot be read as tensors alone") from None


def _written(entries: Mapping[str, bytes]) -> BytesIO:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, content in {
            "archive_format": b"pt2",
            "archive_version": b"0",
            ".data/version": b"6\n",
            "byteorder": b"little",
            **entries,
        }.items():
            file.writestr(f"archive/{name}", content)
    buffer.seek(0)
    return buffer
