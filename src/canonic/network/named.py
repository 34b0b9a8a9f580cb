"""What a file may name: operators that compute tensors, and forms that import nothing. Nothing else is looked up."""

import json
import re
from typing import Any

import torch
from torch._ops import OpOverload

_OPERATOR = re.compile(r"(?P<space>aten|prims)\.(?P<name>\w+)\.(?P<overload>\w+)", re.ASCII)


def operator_named(word: str) -> OpOverload:
    """Return the operator of torch that a file names, such as "aten.conv2d.default".

    Raises:
        ValueError: if it is none, or reads or writes files.

    >>> operator_named("aten.relu.default")
    <OpOverload(op='aten.relu', overload='default')>
    """
    found = _OPERATOR.fullmatch(word)
    packet = getattr(getattr(torch.ops, found["space"]), found["name"], None) if found else None
    operator = getattr(packet, found["overload"], None) if found else None
    if not isinstance(operator, OpOverload):
        raise ValueError(f"{word[:80]!r} is no operator of torch")
    if any(argument.name == "filename" for argument in operator._schema.arguments) or not operator._schema.returns:
        raise ValueError(f"{word[:80]!r} does more than compute tensors")
    return operator


def require_plain(form: str) -> None:
    """Raise a ValueError where torch would import what a tree spec names: enumerations, the default of a dict.

    >>> require_plain('[1, {"type": "builtins.tuple", "context": "null", "children_spec": []}]')
    """
    _require_plain(json.loads(form))


def _require_plain(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _require_plain(item)
    elif isinstance(value, dict):
        for key in ("__enum__", "default_factory_module"):
            if key in value:
                raise ValueError(f"a form names code to import ({key}: {json.dumps(value)[:80]})")
        for item in value.values():
            _require_plain(item)
    elif isinstance(value, str):
        _require_plain(_decoded(value))


def _decoded(text: str) -> Any:
    """Return what JSON in a text says, None where it is none: contexts of a form are texts of JSON."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return None if isinstance(found, str) else found
