"""Rules of what only moves elements: reshapes, slices, padding, concatenation, and calls that do nothing."""

import sys

import torch
from torch import Tensor, fx
from torch.nn.functional import pad as pad_tensor

from canonic.frontend.arithmetic import finite
from canonic.frontend.batch import shape_at
from canonic.frontend.call import Call, Refusal, Rule, held, is_stream
from canonic.network.graph import Node, Slot
from canonic.network.traits import SCALE
from canonic.network.weights import scale_arguments


def passes(call: Call) -> None:
    """A call that changes nothing at inference: dropout, clone, contiguous."""
    if call.arguments.get("train"):
        raise Refusal("it drops at random in evaluation too", "pass training=self.training to dropout")


def convert_type(call: Call) -> Node | None:
    """``x.to(...)`` float32 or float64; the network computes in the type of its weights."""
    wanted = call.kind
    if wanted not in (torch.float32, torch.float64):
        raise Refusal(
            f"it turns its stream into {wanted}", "keep the data path in float32 or float64, without autocast or half()"
        )
    if not call.whole:
        return None
    arguments = {**scale_arguments(), "self": call.arguments["self"]}
    ones = torch.ones([1] * len(call.shape))
    return call.node("synapse", "weighs", operator=SCALE, arguments=arguments, tensors={"weight": ones})


def move(call: Call) -> Node:
    """A call whose shape check has already shown that it keeps the samples apart."""
    return call.node("structure", "moves")


def view(call: Call) -> Node:
    """A view: a reshape, as streams need not lie in memory as the model's tensors did."""
    arguments = {"self": call.arguments["self"], "shape": call.arguments["size"]}
    return call.node("structure", "moves", operator="aten.reshape.default", arguments=arguments)


def move_along(call: Call) -> Node:
    """A call that moves elements along some axes, none of which may be the batch."""
    call.axes("dim", "dims")
    return move(call)


def slices(call: Call) -> Node | None:
    """``x[:, a:b:c]``; a full slice of the batch does nothing."""
    end = call.arguments["end"]
    if not call.arguments["start"] and (end is None or end == sys.maxsize) and call.arguments["step"] == 1:
        return None
    return move(call) if call.alone else move_along(call)


def gather(call: Call) -> Node:
    """``x[:, indices]``, ``index_select`` and ``gather`` with constant indices."""
    arguments, tensors = held(call.arguments)
    slots = [value for value in (*arguments.values(), *arguments.get("indices", [])) if isinstance(value, Slot)]
    if slots != [arguments["self"]]:
        raise Refusal("it takes elements at places that depend on the input", "use constant places")
    return call.node("structure", "moves", arguments=arguments, tensors=tensors)


def joins(call: Call) -> Node:
    """``cat`` and ``stack``; constants among the parts, such as a class token, are added once."""
    parts = call.arguments["tensors"]
    if all(is_stream(part) for part in parts):
        return move(call)
    silent = [part if is_stream(part) else torch.zeros_like(part) for part in parts]
    constant = [torch.zeros(call.streams[part.index].shape) if is_stream(part) else part for part in parts]
    arguments, tensors = held({**call.arguments, "tensors": silent})
    bias = (torch.stack if "stack" in call.operator else torch.cat)(constant, call.arguments["dim"])
    return call.node("structure", "mixes", arguments=arguments, tensors={**tensors, "bias": finite(bias)})


def pad(call: Call) -> Node:
    """Padding: zeros, copies of the stream, or another constant, which is then a bias."""
    amounts, value = call.arguments["pad"], call.arguments.get("value") or 0
    padded = {call.rank - 1 - index // 2 for index, amount in enumerate(amounts) if amount}
    if padded & call.batch:
        raise Refusal("it pads the batch axis", "keep the number of samples as it is")
    if call.arguments.get("mode", "constant") != "constant" or not value:
        return move(call)
    one = torch.zeros(*([] if call.alone else [1]), *call.streams[0].shape, dtype=torch.float64)
    frame = pad_tensor(one, amounts, value=value)
    bias = frame if call.alone else frame[0]
    return call.node("structure", "mixes", arguments={**call.arguments, "value": 0.0}, tensors={"bias": finite(bias)})


def part_of(parts: list[Tensor], index: int, axis: int) -> Rule:
    """Return the rule for one part of a split or chunk: a slice."""
    start = sum(shape_at(part, 1)[axis] for part in parts[:index])
    arguments = {
        "self": Slot(0),
        "dim": axis,
        "start": start,
        "end": start + shape_at(parts[index], 1)[axis],
        "step": 1,
    }
    return lambda call: call.node("structure", "moves", operator="aten.slice.Tensor", arguments=arguments)


def unbound(index: int, axis: int) -> Rule:
    """Return the rule for one part of unbind: a selection."""
    arguments = {"self": Slot(0), "dim": axis, "index": index}
    return lambda call: call.node("structure", "moves", operator="aten.select.int", arguments=arguments)


def whole_numbers(call: Call) -> Node:
    """Return a node for a call on whole numbers or conditions, such as an attention mask: computed once, at first."""
    dropped = {name: None for name in ("device", "layout", "pin_memory", "memory_format") if name in call.arguments}
    arguments, tensors = held({**call.arguments, **dropped})
    return call.node("structure", "mixes", arguments=arguments, tensors=tensors)


def reshaped(stream: Node, name: str, operator: str, shape: tuple[int, ...]) -> Node:
    """Return a node that adds or takes away the axis of a batch of one."""
    arguments = {"self": Slot(0), "dim": 1}
    return Node(name, "structure", operator, (stream.name,), shape, arguments, scaling="moves", origin=stream.origin)


SPLITS = (
    *("aten.split.Tensor", "aten.split_with_sizes.default", "aten.split.sizes"),
    *("aten.chunk.default", "aten.unbind.int"),
)
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
    "aten.unflatten.int": move,
    "aten.expand.default": move,
    "aten.pixel_shuffle.default": move,
    "aten.pixel_unshuffle.default": move,
    "aten.channel_shuffle.default": move,
    "aten.permute.default": move,
    "aten.transpose.int": move,
    "aten.squeeze.dim": move,
    "aten.squeeze.dims": move,
    "aten.unsqueeze.default": move,
    "aten.squeeze.default": move,
    "aten.t.default": move,
    "aten.repeat.default": move,
    "aten.repeat_interleave.self_int": move,
    "aten.unfold.default": move,
    "aten.select.int": move,
    "aten.diagonal.default": move,
    "aten.tril.default": move,
    "aten.triu.default": move,
    "aten.im2col.default": move,
    "aten.flip.default": move_along,
    "aten.roll.default": move_along,
    "aten.slice.Tensor": slices,
    "aten.index.Tensor": gather,
    "aten.index_select.default": gather,
    "aten.gather.default": gather,
    "aten.cat.default": joins,
    "aten.stack.default": joins,
    "aten.pad.default": pad,
    "aten.constant_pad_nd.default": pad,
}

BOOKKEEPING = ("aten.sym_size.int", "aten._assert_tensor_metadata.default", "aten._assert_scalar.default")
"""Calls that compute nothing of the network."""

NUMBERS = int | float | bool | torch.SymInt | torch.SymFloat | torch.SymBool
"""Results of calls that are no tensors: sizes, and what is worked out from them."""

READS = ("aten.item.default", "aten._local_scalar_dense.default")
"""Calls that make a number of a tensor."""

SIZES_ONLY = {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"}
"""Operators that use the size of a stream, not what it carries: they make constants."""

SIZED = {"view", "_unsafe_view", "reshape", "unflatten", "expand", "repeat", "slice", "select", "new_ones", "new_zeros"}
"""Operators whose arguments may be sizes that depend on the batch."""


def living(graph: fx.Graph) -> set[fx.Node]:
    """Return the nodes of a graph that its output, or a call with an effect, is made of."""
    found: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        if node in found or node.op in ("placeholder", "output") or node.is_impure():
            found |= {node, *node.all_input_nodes}
    return found


def sizes_only(node: fx.Node) -> bool:
    """Tell whether a call depends on the size of a stream only, and so is a constant."""
    return str(node.target).split(".")[1:2] in [[name] for name in SIZES_ONLY]
