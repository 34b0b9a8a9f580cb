"""Assignments to a part of a tensor, ``y[:, 2:4] = z`` or ``+= z``: linear, as they move elements or add them.

torch.export writes each as a call that returns the whole with the part in its place: ``slice_scatter``, ``index_put``.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.export import default_decompositions

from canonic.frontend.arithmetic import scaled
from canonic.frontend.call import Call, Refusal, Rule, held, is_stream
from canonic.network.apply import apply
from canonic.network.graph import Node, Slot
from canonic.network.weights import compress

PART = {
    "aten.slice_scatter.default": "src",
    "aten.index_put.default": "values",
    "aten.scatter.src": "src",
    "aten.scatter_add.default": "src",
}
"""Operators that return a whole, ``self``, with a part in its place, and their name for the part."""


def assign(call: Call) -> Node:
    """``y[:, a:b] = z`` and ``+= z`` at constant places: elements are moved or added; a constant is a bias."""
    _require_constant_places(call)
    part = PART[call.operator]
    arguments, tensors = held(call.arguments)
    adds = "add" in call.operator or bool(arguments.get("accumulate"))
    node = call.node("synapse" if adds else "structure", arguments=arguments, tensors=tensors)
    bias = compress(_for_one(node, call, torch.zeros))
    if part in tensors:
        silent = _with(node, part, torch.zeros_like(tensors[part]))
        return scaled(call, arguments["self"], compress(_for_one(silent, call, torch.ones)), bias)
    if "self" in tensors:
        node = _into_zeros(node)
    if bool(bias.any()):
        return node.with_tensors(bias=bias)
    return node if adds else replace(node, scaling="moves")


def _require_constant_places(call: Call) -> None:
    if any(is_stream(place) for place in (call.arguments.get("index"), *call.arguments.get("indices", []))):
        raise Refusal(
            "it is an assignment to places that depend on the input",
            "assign to constant places, or build the tensor with torch.cat",
        )
    if call.arguments.get("dim", -1) % call.rank in call.batch:
        raise Refusal(
            "it is an assignment to some samples of a batch",
            "treat all alike; torch.cat joins parts of each",
        )


def _for_one(node: Node, call: Call, fill: Callable[..., Tensor]) -> Tensor:
    """Return what an assignment makes of one sample whose streams are filled with one number."""
    return apply(node, [fill(1, *stream.shape, dtype=call.kind) for stream in call.streams], 1)[0]


def _into_zeros(node: Node) -> Node:
    """Return an assignment to a constant with zeros in its place; an assignment to a slice of zeros is padding."""
    whole = node.tensors["self"]
    if "slice" not in node.operator:
        return _with(node, "self", torch.zeros_like(whole))
    dim = node.arguments["dim"] % whole.dim()
    start, end, _ = slice(node.arguments["start"], node.arguments["end"]).indices(whole.shape[dim])
    amounts = [0, 0] * (whole.dim() - 1 - dim) + [start, whole.shape[dim] - end]
    arguments = {"self": Slot(0), "pad": amounts, "value": 0.0}
    return replace(node, operator="aten.constant_pad_nd.default", arguments=arguments, tensors={})


def _with(node: Node, name: str, tensor: Tensor) -> Node:
    return replace(node, tensors={**node.tensors, name: tensor})


_ATEN = torch.ops.aten
RULES: dict[str, Rule] = dict.fromkeys(PART, assign)


def _copied(whole: Tensor, source: Tensor, *_: bool) -> Tensor:
    """``y[:] = z``."""
    source = source.to(whole.dtype)
    return source if source.shape == whole.shape else source.expand(whole.shape)


def _slice_assigned(
    whole: Tensor, source: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """``y[a:b:c] = z``: z where it is all of y, a list of places where there are gaps, else as it is."""
    if whole.shape[dim] == source.shape[dim]:
        return source
    if step == 1:
        return NotImplemented
    places = torch.arange(whole.shape[dim], device=whole.device)[start:end:step]
    return _ATEN.index_put.default(whole, [*[None] * (dim % whole.dim()), places], source)


def _selection_assigned(whole: Tensor, source: Tensor, dim: int, index: int) -> Tensor:
    """``y[a] = z``, as a slice of one."""
    return torch.slice_scatter(whole, source.unsqueeze(dim), dim, index, index + 1 or None)


def _number_scattered(whole: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    return whole.scatter(dim, index, torch.full_like(index, value, dtype=whole.dtype))


def _blank(size: Any, *, dtype: torch.dtype | None = None, device: torch.device | None = None, **_: Any) -> Tensor:
    """Memory that is assigned to later: zeros."""
    return torch.zeros(size, dtype=dtype, device=device)


def _new_blank(like: Tensor, size: Any, *, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    return like.new_zeros(size, dtype=dtype)


def _blank_like(like: Tensor, *, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    return torch.zeros_like(like, dtype=dtype)


REWRITTEN: Mapping[Any, Callable[..., Any]] = {
    _ATEN.copy.default: _copied,
    _ATEN.slice_scatter.default: _slice_assigned,
    _ATEN.select_scatter.default: _selection_assigned,
    _ATEN.scatter.value: _number_scattered,
    _ATEN.empty.memory_format: _blank,
    _ATEN.new_empty.default: _new_blank,
    _ATEN.empty_like.default: _blank_like,
    **{op: default_decompositions()[op] for op in (_ATEN.fill.Scalar, _ATEN.fill.Tensor, _ATEN.zero.default)},
}
"""Calls that torch.export writes for assignments, in terms of those of the table: always taken apart, so that what is
written over is not computed."""
