"""Rules of the linear maps: convolutions, linear layers, batch norm, pooling, upsampling, embedding."""

from typing import Any

from torch import Tensor

from canonic.frontend.arithmetic import scaled
from canonic.frontend.call import Call, Refusal, Rule, is_stream
from canonic.network.graph import Constant, Node, Scaling


def convolution(call: Call) -> Node:
    """Convolution in 1, 2 or 3 dimensions, transposed or not."""
    weight, bias = call.constant("weight"), call.arguments["bias"]
    arguments = {**call.arguments, "weight": Constant("weight"), "bias": None}
    tensors = {"weight": weight}
    if bias is not None:
        tensors["bias"] = call.constant("bias").reshape(-1, *[1] * (weight.dim() - 2))
    return call.node("synapse", "weighs", arguments=arguments, tensors=tensors)


def _linear(call: Call, stream: Any, weight: Tensor, bias: Tensor | None) -> Node:
    arguments = {"input": stream, "weight": Constant("weight"), "bias": None}
    tensors = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    return call.node(
        "synapse", "weighs", operator="aten.linear.default", arguments=arguments, tensors=tensors, alone=False
    )


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
    """``matmul``, ``mm`` and ``bmm``: by a constant matrix a linear map, of two streams a function unit."""
    other = "mat2" if "mat2" in call.arguments else "other"
    first, second = call.arguments["self"], call.arguments[other]
    if is_stream(first) and is_stream(second):
        return call.node("function unit")
    matrix = second if is_stream(first) else first
    if is_stream(first) and matrix.dim() == 2:
        return _linear(call, first, matrix.T.contiguous(), None)
    arguments = {"self": first, "other": second}
    arguments["other" if is_stream(first) else "self"] = Constant("weight")
    return call.node(
        "synapse", operator="aten.matmul.default", arguments=arguments, tensors={"weight": matrix.contiguous()}
    )


def biased_product(call: Call) -> Node:
    """``beta * bias + alpha * (x @ matrix)``, as addmm spells it."""
    if is_stream(call.arguments["self"]) or is_stream(call.arguments["mat2"]):
        raise Refusal("it multiplies and adds streams at once", "write it as x @ y + z")
    weight, bias = call.constant("mat2").T.contiguous(), call.constant("self")
    return _linear(call, call.arguments["mat1"], call.arguments["alpha"] * weight, call.arguments["beta"] * bias)


def batch_norm(call: Call) -> Node:
    """Batch norm in evaluation: a scale and a shift for each channel."""
    if call.arguments.get("training") or call.arguments["running_mean"] is None:
        raise Refusal(
            "it normalises with the statistics of the batch",
            "use running statistics: track_running_stats=True, and model.eval()",
        )
    mean, variance = call.constant("running_mean"), call.constant("running_var")
    weight = (variance + call.arguments["eps"]).rsqrt()
    if call.arguments["weight"] is not None:
        weight = weight * call.constant("weight")
    bias = -mean * weight
    if call.arguments["bias"] is not None:
        bias = bias + call.constant("bias")
    shape = (-1, *[1] * (call.rank - 2))
    return scaled(call, call.arguments["input"], weight.reshape(shape), bias.reshape(shape))


def pool(call: Call) -> Node:
    """Average pooling and upsampling: linear, and within each channel."""
    return call.node("synapse", "pools" if within_channels(call) else "mixes")


def within_channels(call: Call) -> bool:
    """Tell whether a pooling has a channel axis: on ``[batch, length]`` avg_pool1d has none, and pools axis 1."""
    spatial = int(next(c for c in call.operator if c.isdigit()))
    return call.rank == spatial + 2 and not call.alone


def reduce(call: Call) -> Node:
    """``mean``, ``sum`` or ``cumsum`` over axes other than the batch."""
    arguments = {name: value for name, value in call.arguments.items() if name != "dtype"}
    return call.node("synapse", scaling_over(call, call.axes("dim")), arguments=arguments)


def scaling_over(call: Call, axes: set[int]) -> Scaling:
    """Return how a reduction over these axes treats a scale of its input: channels are axis 1."""
    return "mixes" if 1 in axes or call.alone else "pools"


def overlap(call: Call) -> Node:
    """``fold``: sums of overlapping patches."""
    return call.node("synapse")


def embedding(call: Call) -> Node:
    """A table of vectors, looked up by whole numbers: an analog input of the network."""
    if is_stream(call.arguments["weight"]):
        raise Refusal("its table is computed from the input", "keep it a parameter of the model")
    arguments = {**call.arguments, "weight": Constant("weight")}
    return call.node("synapse", arguments=arguments, tensors={"weight": call.constant("weight")})


RULES: dict[str, Rule] = {
    **{f"aten.conv{n}d.{overload}": convolution for n in (1, 2, 3) for overload in ("default", "padding")},
    "aten.convolution.default": convolution,
    "aten.conv_transpose1d.default": convolution,
    "aten.conv_transpose2d.input": convolution,
    "aten.conv_transpose3d.input": convolution,
    "aten.linear.default": linear,
    "aten.matmul.default": product_with_matrix,
    "aten.mm.default": product_with_matrix,
    "aten.bmm.default": product_with_matrix,
    "aten.addmm.default": biased_product,
    "aten.batch_norm.default": batch_norm,
    "aten._native_batch_norm_legit_no_training.default": batch_norm,
    "aten._native_batch_norm_legit.default": batch_norm,
    "aten._native_batch_norm_legit.no_stats": batch_norm,
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
    "aten.cumsum.default": reduce,
    "aten.col2im.default": overlap,
    "aten.embedding.default": embedding,
}
