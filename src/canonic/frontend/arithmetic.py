"""Rules of elementwise arithmetic: with a constant a scale or a bias, between two streams a sum or a function unit."""

from typing import Any

import torch
from torch import Tensor

from canonic.frontend.call import Call, Refusal, Rule, held, is_stream
from canonic.network.graph import Node, Rows, Slot
from canonic.network.traits import SCALE
from canonic.network.weights import padded, scale_arguments


def scaled(call: Call, stream: Slot, weight: Tensor, bias: Tensor | None = None) -> Node:
    """Return a diagonal synapse, ``weight * stream + bias`` element by element."""
    if call.streams[0].shape != call.shape:  # a constant that is larger than the stream it meets
        weight = weight.expand(call.shape)
    tensors = {"weight": weight} if bias is None else {"weight": weight, "bias": finite(bias)}
    arguments = {**scale_arguments(), "self": stream}
    return call.node("synapse", "weighs", operator=SCALE, arguments=arguments, tensors=tensors)


def finite(bias: Tensor) -> Tensor:
    """Return a bias with large numbers for -inf and the least number of a type, as in attention masks.

    A stream cannot carry inf - inf, and a bias must stay finite when thresholds are folded into it.
    """
    bound = torch.finfo(torch.float32).max ** 0.5
    return bias.clamp(-bound, bound)


def sample(call: Call, value: Any) -> Tensor:
    """Return a constant operand as a tensor that broadcasts against one sample."""
    if isinstance(value, Rows):
        raise Refusal("it computes with the batch size", "keep the samples of a batch apart")
    tensor = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
    if not call.alone and tensor.dim() == len(call.shape) + 1 and tensor.shape[0] == 1:
        tensor = tensor.squeeze(0)
    if tensor.dim() > len(call.shape):
        raise Refusal(f"its constant of shape {list(tensor.shape)} differs within the batch", "use one for all samples")
    return padded(tensor, len(call.shape))


def _ones(call: Call) -> Tensor:
    return torch.ones([1] * len(call.shape), dtype=torch.float64)


def add(call: Call) -> Node:
    """``self + alpha * other``; a constant operand is a bias, injected once."""
    first, second, alpha = call.arguments["self"], call.arguments["other"], call.arguments.get("alpha", 1)
    if is_stream(first) and is_stream(second):
        return call.node("synapse", "sums")
    if is_stream(first):
        return scaled(call, first, _ones(call), alpha * sample(call, second))
    return scaled(call, second, alpha * _ones(call), sample(call, first))


def subtract(call: Call) -> Node:
    """``self - alpha * other``; a constant operand is a bias, injected once."""
    first, second, alpha = call.arguments["self"], call.arguments["other"], call.arguments.get("alpha", 1)
    if is_stream(first) and is_stream(second):
        return call.node("synapse", "sums")
    if is_stream(first):
        return scaled(call, first, _ones(call), -alpha * sample(call, second))
    return scaled(call, second, -alpha * _ones(call), sample(call, first))


def subtract_from(call: Call) -> Node:
    """``other - alpha * self``."""
    swapped = {
        "self": call.arguments["other"],
        "other": call.arguments["self"],
        "alpha": call.arguments.get("alpha", 1),
    }
    streams = is_stream(swapped["self"]) and is_stream(swapped["other"])
    if streams:
        return call.node("synapse", "sums", operator="aten.sub.Tensor", arguments=swapped)
    return scaled(call, call.arguments["self"], -swapped["alpha"] * _ones(call), sample(call, swapped["self"]))


def negate(call: Call) -> Node:
    """``-self``."""
    return scaled(call, call.arguments["self"], -_ones(call))


def multiply(call: Call) -> Node:
    """``self * other``: by a constant a scale, of two streams a function unit."""
    first, second = call.arguments["self"], call.arguments["other"]
    if is_stream(first) and is_stream(second):
        return call.node("function unit")
    stream, constant = (first, second) if is_stream(first) else (second, first)
    return scaled(call, stream, sample(call, constant))


def divide(call: Call) -> Node:
    """``self / other``: by a constant a scale, by a stream a function unit."""
    if not is_stream(call.arguments["other"]):
        return scaled(call, call.arguments["self"], 1 / sample(call, call.arguments["other"]))
    arguments, tensors = held(call.arguments)
    return call.node("function unit", arguments=arguments, tensors=tensors)


def choose(call: Call) -> Node:
    """``where`` and ``masked_fill``: by a constant mask a scale and a bias, by one that is an input a function unit."""
    given = call.arguments
    mask = given.get("mask", given.get("condition"))
    chosen, other = (given["value"], given["self"]) if "mask" in given else (given["self"], given["other"])
    if is_stream(mask) or is_stream(chosen) == is_stream(other):
        arguments, tensors = held({name: _finite_constant(value) for name, value in given.items()})
        return call.node("function unit", arguments=arguments, tensors=tensors)
    passes = sample(call, call.constant("mask" if "mask" in given else "condition"))
    stream, filling, kept = (chosen, other, passes) if is_stream(chosen) else (other, chosen, ~passes)
    return scaled(call, stream, kept.double(), torch.where(kept, 0.0, sample(call, filling).double()))


def _finite_constant(value: Any) -> Any:
    if isinstance(value, Tensor):
        return finite(value) if value.is_floating_point() else value
    return float(finite(torch.tensor(value))) if isinstance(value, float) else value


RULES: dict[str, Rule] = {
    "aten.add.Tensor": add,
    "aten.add.Scalar": add,
    "aten.sub.Tensor": subtract,
    "aten.sub.Scalar": subtract,
    "aten.rsub.Tensor": subtract_from,
    "aten.rsub.Scalar": subtract_from,
    "aten.neg.default": negate,
    "aten.mul.Tensor": multiply,
    "aten.mul.Scalar": multiply,
    "aten.div.Tensor": divide,
    "aten.div.Scalar": divide,
    "aten.masked_fill.Scalar": choose,
    "aten.masked_fill.Tensor": choose,
    "aten.where.self": choose,
    "aten.where.ScalarOther": choose,
    "aten.where.ScalarSelf": choose,
}
