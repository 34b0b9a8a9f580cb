"""Rules of the linear maps: convolutions, linear layers, batch norm, pooling, sums, scales, upsampling."""

from typing import Any

import torch
from torch import Tensor

from canonic.frontend.call import Call, Refusal, Rule, is_stream
from canonic.network.graph import Node, Rows, Slot, Weight
from canonic.network.weights import SCALE, padded, scale_arguments


def convolution(call: Call) -> Node:
    """Convolution in 1, 2 or 3 dimensions, transposed or not."""
    weight, bias = call.constant("weight"), call.arguments["bias"]
    arguments = {**call.arguments, "weight": Weight(), "bias": None}
    tensors = {"weight": weight}
    if bias is not None:
        tensors["bias"] = call.constant("bias").reshape(-1, *[1] * (len(call.shape) - 1))
    return call.node("synapse", "weighs", arguments=arguments, tensors=tensors)


def _linear(call: Call, stream: Any, weight: Tensor, bias: Tensor | None) -> Node:
    arguments = {"input": stream, "weight": Weight(), "bias": None}
    tensors = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    return call.node("synapse", "weighs", operator="aten.linear.default", arguments=arguments, tensors=tensors)


def linear(call: Call) -> Node:
    """``x @ weight.T + bias``."""
    bias = call.arguments["bias"]
    return _linear(
        call,
        call.arguments["input"],
        call.constant("weight"),
        None if bias is None else call.constant("bias"),
    )


def product_with_matrix(call: Call) -> Node:
    """``x @ matrix``, as matmul and mm spell it."""
    other = "mat2" if "mat2" in call.arguments else "other"
    if is_stream(call.arguments["self"]) and is_stream(call.arguments[other]):
        raise Refusal("it multiplies two streams", "products of streams are not converted yet")
    if not is_stream(call.arguments["self"]):
        raise Refusal("it multiplies from the left", "write it as x @ matrix, or as a linear layer")
    matrix = call.constant(other)
    if matrix.dim() != 2:
        raise Refusal(f"its matrix has the shape {list(matrix.shape)}", "use a matrix of two axes, or a linear layer")
    return _linear(call, call.arguments["self"], matrix.T.contiguous(), None)


def biased_product(call: Call) -> Node:
    """``bias + x @ matrix``, as addmm spells it."""
    if (call.arguments["beta"], call.arguments["alpha"]) != (1, 1):
        raise Refusal("it scales its terms (alpha, beta)", "fold the scales into the weights")
    return _linear(call, call.arguments["mat1"], call.constant("mat2").T.contiguous(), call.constant("self"))


def batch_norm(call: Call) -> Node:
    """Batch norm in evaluation: a scale and a shift for each channel."""
    if call.arguments.get("training") or call.arguments["running_mean"] is None:
        raise Refusal("it normalises with the statistics of the batch", "use running statistics: model.eval()")
    mean, variance = call.constant("running_mean"), call.constant("running_var")
    weight = (variance + call.arguments["eps"]).rsqrt()
    if call.arguments["weight"] is not None:
        weight = weight * call.constant("weight")
    bias = -mean * weight
    if call.arguments["bias"] is not None:
        bias = bias + call.constant("bias")
    shape = (-1, *[1] * (len(call.shape) - 1))
    return _scale(call, call.arguments["input"], weight.reshape(shape), bias.reshape(shape))


def _scale(call: Call, stream: Slot, weight: Tensor, bias: Tensor | None = None) -> Node:
    if call.streams[0].shape != call.shape:  # a constant that is larger than the stream it meets
        weight = weight.expand(call.shape)
    tensors = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    arguments = {**scale_arguments(), "self": stream}
    return call.node("synapse", "weighs", operator=SCALE, arguments=arguments, tensors=tensors)


def _sample(call: Call, value: Any) -> Tensor:
    """Return a constant operand as a tensor that broadcasts against one sample."""
    if isinstance(value, Rows):
        raise Refusal("it computes with the batch size", "keep the samples of a batch apart")
    tensor = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
    if tensor.dim() == call.rank and tensor.shape[0] == 1:
        tensor = tensor.squeeze(0)
    if tensor.dim() >= call.rank:
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
        return _scale(call, first, _ones(call), alpha * _sample(call, second))
    return _scale(call, second, alpha * _ones(call), _sample(call, first))


def subtract(call: Call) -> Node:
    """``self - alpha * other``; a constant operand is a bias, injected once."""
    first, second, alpha = call.arguments["self"], call.arguments["other"], call.arguments.get("alpha", 1)
    if is_stream(first) and is_stream(second):
        return call.node("synapse", "sums")
    if is_stream(first):
        return _scale(call, first, _ones(call), -alpha * _sample(call, second))
    return _scale(call, second, -alpha * _ones(call), _sample(call, first))


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
    return _scale(call, call.arguments["self"], -swapped["alpha"] * _ones(call), _sample(call, swapped["self"]))


def negate(call: Call) -> Node:
    """``-self``."""
    return _scale(call, call.arguments["self"], -_ones(call))


def multiply(call: Call) -> Node:
    """``self * other`` with one of them constant."""
    first, second = call.arguments["self"], call.arguments["other"]
    if is_stream(first) and is_stream(second):
        raise Refusal("it multiplies two streams", "products of streams are not converted yet")
    stream, constant = (first, second) if is_stream(first) else (second, first)
    return _scale(call, stream, _sample(call, constant))


def divide(call: Call) -> Node:
    """``self / other`` with a constant divisor."""
    if is_stream(call.arguments["other"]):
        raise Refusal("it divides by a stream", "divisions by a stream are not converted yet")
    return _scale(call, call.arguments["self"], 1 / _sample(call, call.arguments["other"]))


def pool(call: Call) -> Node:
    """Average pooling and upsampling: linear, and within each channel."""
    return call.node("synapse", "pools" if within_channels(call) else "mixes")


def within_channels(call: Call) -> bool:
    """Tell whether a pooling has a channel axis: on ``[batch, length]`` avg_pool1d has none, and pools axis 1."""
    spatial = int(next(c for c in call.operator if c.isdigit()))
    return call.rank == spatial + 2


def reduce(call: Call) -> Node:
    """``mean`` or ``sum`` over axes other than the batch."""
    axes = reduced_axes(call)
    arguments = {name: value for name, value in call.arguments.items() if name != "dtype"}
    return call.node("synapse", "mixes" if 1 in axes else "pools", arguments=arguments)


def reduced_axes(call: Call) -> set[int]:
    """Return the axes that a reduction takes away, 0 = batch; refuse those that mix the samples of a batch."""
    axes = {int(axis) % call.rank for axis in call.arguments["dim"] or range(call.rank)}
    if 0 in axes:
        raise Refusal("it reduces over the batch", "name the axes to reduce, without axis 0")
    return axes


RULES: dict[str, Rule] = {
    **{f"aten.conv{n}d.{overload}": convolution for n in (1, 2, 3) for overload in ("default", "padding")},
    "aten.convolution.default": convolution,
    "aten.conv_transpose1d.default": convolution,
    "aten.conv_transpose2d.input": convolution,
    "aten.conv_transpose3d.input": convolution,
    "aten.linear.default": linear,
    "aten.matmul.default": product_with_matrix,
    "aten.mm.default": product_with_matrix,
    "aten.addmm.default": biased_product,
    "aten.batch_norm.default": batch_norm,
    "aten._native_batch_norm_legit_no_training.default": batch_norm,
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
    **{f"aten.avg_pool{n}d.default": pool for n in (1, 2, 3)},
    **{f"aten.adaptive_avg_pool{n}d.default": pool for n in (1, 2, 3)},
    **{f"aten._adaptive_avg_pool{n}d.default": pool for n in (2, 3)},
    **{f"aten.upsample_nearest{n}d.vec": pool for n in (1, 2, 3)},
    **{f"aten._upsample_nearest_exact{n}d.vec": pool for n in (1, 2, 3)},
    "aten.upsample_linear1d.vec": pool,
    "aten.upsample_bilinear2d.vec": pool,
    "aten.upsample_trilinear3d.vec": pool,
    "aten.upsample_bicubic2d.vec": pool,
    "aten.mean.dim": reduce,
    "aten.sum.dim_IntList": reduce,
}
