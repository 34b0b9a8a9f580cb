"""Rules of what only moves elements: reshapes, slices, padding, concatenation, and calls that do nothing."""

import sys
from typing import Any

import torch
from torch import Tensor

from canonic.frontend.call import Call, Refusal, Rule, is_stream
from canonic.network.graph import Node, Slot


def passes(call: Call) -> None:
    """A call that changes nothing at inference: dropout, clone, contiguous."""


def convert_type(call: Call) -> None:
    """``x.to(...)`` float32 or float64; the network computes in the type of its weights."""
    wanted = call.arguments.get("dtype")
    if wanted not in (None, torch.float32, torch.float64):
        raise Refusal(f"it turns its stream into {wanted}", "keep the data path in float32 or float64")


def move(call: Call) -> Node:
    """A call whose shape check has already shown that it keeps the batch axis first."""
    return call.node("structure", "moves")


def view(call: Call) -> Node:
    """A view: a reshape, as streams need not lie in memory as the model's tensors did."""
    arguments = {"self": call.arguments["self"], "shape": call.arguments["size"]}
    return call.node("structure", "moves", operator="aten.reshape.default", arguments=arguments)


def move_along(call: Call) -> Node:
    """A call that acts along the axes ``dim``, ``dim0``, ``dim1`` or ``dims``, none of which may be the batch."""
    for name in {"dim", "dim0", "dim1", "dims"} & call.arguments.keys():
        axes = call.arguments[name]
        grows = call.operator in ("aten.unsqueeze.default", "aten.stack.default")
        rank = len(call.shape) + 1 if grows else call.rank
        if 0 in {int(axis) % rank for axis in (axes if isinstance(axes, list) else [axes])}:
            raise Refusal("it acts along the batch axis", "keep the samples of a batch apart, along axis 0")
    return move(call)


def permute(call: Call) -> Node:
    """Reorder the axes, the batch staying first."""
    if int(call.arguments["dims"][0]) % call.rank:
        raise Refusal("it moves the batch axis", "keep the batch first (batch_first=True)")
    return move(call)


def slices(call: Call) -> Node | None:
    """``x[:, a:b:c]``; a full slice of the batch does nothing."""
    end = call.arguments["end"]
    full = not call.arguments["start"] and (end is None or end == sys.maxsize) and call.arguments["step"] == 1
    return None if full else move_along(call)


def joins(call: Call) -> Node:
    """``cat`` of streams along an axis other than the batch."""
    if not all(is_stream(part) for part in call.arguments["tensors"]):
        raise Refusal("it joins a stream and a constant", "pad the stream (torch.nn.functional.pad) instead")
    return move_along(call)


def pad(call: Call) -> Node:
    """Padding: zeros, copies of the stream, or another constant, which is then a bias."""
    amounts, value = call.arguments["pad"], call.arguments.get("value") or 0
    if any(amounts[2 * (call.rank - 1) :]):
        raise Refusal("it pads the batch axis", "keep the number of samples as it is")
    if call.arguments.get("mode", "constant") != "constant" or not value:
        return move(call)
    frame = torch.nn.functional.pad(torch.zeros(1, *call.streams[0].shape, dtype=torch.float64), amounts, value=value)[
        0
    ]
    return call.node("structure", "mixes", arguments={**call.arguments, "value": 0.0}, tensors={"bias": frame})


def part_of(call: Call, parts: list[Tensor], index: int, axis: int) -> Node:
    """Return one part of a split or chunk as a slice."""
    if axis == 0:
        raise Refusal("it splits the batch", "split another axis")
    start = sum(part.shape[axis] for part in parts[:index])
    arguments: dict[str, Any] = {
        "self": Slot(0),
        "dim": axis,
        "start": start,
        "end": start + parts[index].shape[axis],
    }
    return call.node("structure", "moves", operator="aten.slice.Tensor", arguments={**arguments, "step": 1})


SPLITS = ("aten.split.Tensor", "aten.split_with_sizes.default", "aten.split.sizes", "aten.chunk.default")
"""Operators that return several parts of a stream; each part is converted as a slice."""

RULES: dict[str, Rule] = {
    **{f"aten.{name}.default": passes for name in ("alias", "clone", "contiguous", "detach", "lift_fresh_copy")},
    "aten.dropout.default": passes,
    "aten.feature_dropout.default": passes,
    "aten.alpha_dropout.default": passes,
    "aten.feature_alpha_dropout.default": passes,
    "aten._to_copy.default": convert_type,
    "aten.to.dtype": convert_type,
    "aten.to.dtype_layout": convert_type,
    "aten.view.default": view,
    "aten._unsafe_view.default": view,
    "aten.reshape.default": move,
    "aten.flatten.using_ints": move,
    "aten.unflatten.int": move_along,
    "aten.expand.default": move,
    "aten.pixel_shuffle.default": move,
    "aten.pixel_unshuffle.default": move,
    "aten.permute.default": permute,
    "aten.transpose.int": move_along,
    "aten.squeeze.dim": move_along,
    "aten.squeeze.dims": move_along,
    "aten.unsqueeze.default": move_along,
    "aten.select.int": move_along,
    "aten.flip.default": move_along,
    "aten.slice.Tensor": slices,
    "aten.cat.default": joins,
    "aten.stack.default": joins,
    "aten.pad.default": pad,
    "aten.constant_pad_nd.default": pad,
}
