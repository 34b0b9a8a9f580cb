"""Arguments of operators as plain data, and back."""

from typing import Any

import torch

from canonic.network.graph import Constant, Rows, Slot


def to_plain(value: Any) -> Any:
    """Return an argument as plain data; what stands for something else becomes {"$...": ...}."""
    match value:
        case Slot(index):
            return {"$": index}
        case Rows():
            return {"$": "rows"}
        case Constant(name):
            return {"$constant": name}
        case torch.dtype():
            return {"$type": str(value).removeprefix("torch.")}
        case list():
            return [to_plain(item) for item in value]
        case dict():
            return {name: to_plain(item) for name, item in value.items()}
    return value


def _type_named(name: str) -> torch.dtype:
    kind = getattr(torch, name, None)
    if not isinstance(kind, torch.dtype):
        raise ValueError(f"{name!r} is no type of numbers")
    return kind


def from_plain(value: Any) -> Any:
    """Return the argument that plain data stand for; raise a ValueError for a type that is none."""
    match value:
        case {"$": "rows"}:
            return Rows()
        case {"$constant": name}:
            return Constant(name)
        case {"$type": name}:
            return _type_named(name)
        case {"$": index}:
            return Slot(index)
        case list():
            return [from_plain(item) for item in value]
        case dict():
            return {name: from_plain(item) for name, item in value.items()}
    return value
