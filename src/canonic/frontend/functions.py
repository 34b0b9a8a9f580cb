"""Rules of function units: any function of streams, element by element or row by row, by its telescoping stream.

    D[m] = (f(A[m]) - f(A[m-1])) / w[m],    A[m] the prefix of the input,    sums to f(A[T]) exactly (network/apply.py)

They are analog, and counted as MACs; a signed population codes their output where a matrix reads it.
"""

from canonic.frontend.call import Call, Refusal, Rule, held, is_stream
from canonic.frontend.synapses import scaling_over, within_channels
from canonic.network.graph import Node


def elementwise(call: Call) -> Node:
    """A function of each element."""
    if call.arguments.get("training"):
        raise Refusal("it draws random numbers in evaluation too", "pass training=self.training")
    arguments, tensors = held(call.arguments)
    alone = call.alone and (len(call.streams) > 1 or bool(tensors))
    return call.node("function unit", arguments=arguments, tensors=tensors, alone=alone)


def along_axes(call: Call) -> Node:
    """A function of each row: softmax, a norm of a vector."""
    call.axes("dim")
    arguments, tensors = held(call.arguments)
    return call.node("function unit", arguments=arguments, tensors=tensors)


def normalise(call: Call) -> Node:
    """Layer, group, instance or root-mean-square norm: with statistics of its own input."""
    if call.arguments.get("use_input_stats") is False:
        raise Refusal("its instance norm has running statistics", "use batch norm, which is the same in evaluation")
    dropped = {name: False for name in ("cudnn_enable", "cudnn_enabled") if name in call.arguments}
    arguments, tensors = held({**call.arguments, **dropped})
    last_axes = "layer_norm" in call.operator or "rms_norm" in call.operator
    return call.node("function unit", arguments=arguments, tensors=tensors, alone=call.alone and not last_axes)


def attention(call: Call) -> Node:
    """Attention: ``softmax(Q K^T / sqrt(d) + mask) V`` of three streams."""
    if call.arguments.get("dropout_p"):
        raise Refusal("it drops at random in evaluation too", "pass dropout_p = 0 unless training")
    mask = call.arguments.get("attn_mask")
    if not call.alone and mask is not None and not is_stream(mask) and mask.dim() == len(call.shape) + 1:
        mask = mask.squeeze(0)
    arguments, tensors = held({**call.arguments, "attn_mask": mask})
    ranks = {len(stream.shape) for stream in call.streams}  # all act on the last two axes, so that any may go before
    return call.node("function unit", arguments=arguments, tensors=tensors, alone=call.alone and len(ranks) > 1)


def maximum(call: Call) -> Node:
    """Max pooling: the maximum of prefixes, exact at every step, and ternary if its input is."""
    return call.node("function unit", "pools" if within_channels(call) else "mixes")


def reduced_maximum(call: Call) -> Node:
    """``amax`` over axes other than the batch; ternary if its input is."""
    return call.node("function unit", scaling_over(call, call.axes("dim")))


_UNARY = (
    "sigmoid tanh gelu silu elu selu celu leaky_relu prelu rrelu softplus mish hardswish hardsigmoid log_sigmoid "
    "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal abs sin cos sinc sinh cosh asinh atan erf erfc square "
    "logaddexp hypot atan2 nan_to_num"
)
_NORMS = "layer_norm native_layer_norm group_norm native_group_norm instance_norm rms_norm"
_ROWS = (
    "softmax.int _softmax.default log_softmax.int _log_softmax.default linalg_vector_norm.default logsumexp.default "
    "var.dim var.correction std.dim std.correction prod.dim_int amin.default min.dim norm.ScalarOpt_dim sort.default "
    "topk.default median.dim cumprod.default logcumsumexp.default cummax.default cummin.default"
)

RULES: dict[str, Rule] = {
    **{f"aten.{name}.default": elementwise for name in _UNARY.split()},
    "aten.pow.Tensor_Scalar": elementwise,
    "aten.pow.Scalar": elementwise,
    "aten.pow.Tensor_Tensor": elementwise,
    "aten.maximum.default": elementwise,
    "aten.minimum.default": elementwise,
    **{f"aten.{name}": along_axes for name in _ROWS.split()},
    **{f"aten.{name}.default": normalise for name in _NORMS.split()},
    "aten.scaled_dot_product_attention.default": attention,
    **{f"aten.max_pool{n}d.default": maximum for n in (1, 2, 3)},
    **{f"aten.max_pool{n}d_with_indices.default": maximum for n in (2, 3)},
    **{f"aten.adaptive_max_pool{n}d.default": maximum for n in (1, 2, 3)},
    "aten.amax.default": reduced_maximum,
    "aten.max.dim": reduced_maximum,
}

_RECURRENT = "lstm gru rnn_tanh rnn_relu quantized_lstm"
_JUMPS = "hardshrink sign round floor ceil trunc heaviside gt ge lt le eq ne sgn fmod remainder"
_ASSIGNMENTS = "masked_scatter diagonal_scatter as_strided_scatter scatter_reduce index_reduce put"
_PLACES = "argmax argmin argsort nonzero"

_LOOP = ("it feeds its output back into itself", "unroll it, or use a feed-forward network")
_STEP = (
    "it jumps: the smallest error of a spiking network would change it by a whole unit",
    "use a smooth function: clamp, relu or leaky_relu in place of a comparison",
)
_INDEX = ("it returns places, not values", "take it out of the model, and apply it to what the network returns")
_ASSIGNED = ("it is an assignment that is not converted", "build the tensor with torch.cat, torch.stack or torch.where")

REFUSED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(_RECURRENT.split(), _LOOP),
    **dict.fromkeys(_JUMPS.split(), _STEP),
    **dict.fromkeys(_PLACES.split(), _INDEX),
    **dict.fromkeys(_ASSIGNMENTS.split(), _ASSIGNED),
    "native_dropout": ("it drops at random in evaluation too", "pass training=self.training to dropout"),
}
"""Reason and remedy for operators that users are likely to meet, by the name of the operator."""
