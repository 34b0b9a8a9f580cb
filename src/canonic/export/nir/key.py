"""The key of the metadata: its name, its version, and how plain data and arrays stand under it."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from canonic.errors import ExportError

Array = Shaped[np.ndarray, "..."]

Chain = list[Any]
"""Nodes of NIR, each of which reads the one before."""

Shape = tuple[int, ...]

KEY = "canonic"
FORMAT = "canonic nir 1"
"""The version of what stands under the key, in the metadata of the graph."""

DT = 1e-4
"""Seconds of a step: what other readers of NIR take a step for. Time constants and delays are multiples of it."""


def noted(data: Mapping[str, Any], arrays: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """Return the metadata of a node: plain data as JSON, and each array under ``canonic.NAME``."""
    own = {f"{KEY}.{name}": numbers(value) for name, value in (arrays or {}).items()}
    return {KEY: json.dumps(dict(data)), **own}


def meaning(node: Mapping[str, Any]) -> str:
    """Return what the metadata of a node in a file say that it is; "" if they say nothing."""
    try:
        about = json.loads(node.get("metadata", {}).get(KEY, "{}"))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ""
    return str(about.get("is", "")) if isinstance(about, dict) else ""


def numbers(tensor: Tensor) -> Array:
    """Return a tensor as an array of its own."""
    return np.array(tensor.detach().cpu().contiguous().numpy())


def full(value: Tensor | float, shape: tuple[int, ...], like: Tensor) -> Array:
    """Return a value for each element of a sample, in the type of the weights."""
    tensor = value.to(like) if isinstance(value, Tensor) else like.new_tensor(value)
    return numbers(tensor.expand(shape))


def require_package() -> Any:
    """Return the package nir.

    Raises:
        ExportError: if it is not installed.
    """
    try:
        import nir
    except ImportError:
        raise ExportError("NIR needs the package nir, which is not installed: pip install 'canonic[nir]'") from None
    return nir
