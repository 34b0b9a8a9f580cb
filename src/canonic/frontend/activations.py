"""Rules of what is not linear: relu in every spelling, max pooling, and what is refused by name."""

from canonic.frontend.call import Call, Refusal, Rule
from canonic.frontend.synapses import reduced_axes, within_channels
from canonic.network.graph import Neurons, Node


def relu(call: Call) -> Node | None:
    """A ReLU population; on a ReLU population it changes nothing."""
    before = call.streams[0].neurons
    if before is not None and not before.signed:
        return None
    return _population(call, None)


def relu6(call: Call) -> Node:
    """A ReLU population clipped at 6."""
    return _population(call, 6.0)


def clamp(call: Call) -> Node | None:
    """``clamp(x, 0, c)`` or ``hardtanh(x, 0, c)``: a population clipped at c, or plain relu without a c."""
    low = call.arguments.get("min_val", call.arguments.get("min"))
    high = call.arguments.get("max_val", call.arguments.get("max"))
    if low is None or low != 0 or (high is not None and high <= 0):
        raise Refusal(f"it clips to [{low}, {high}]", "clip to [0, c] with c > 0 (relu6, hardtanh(0, c))")
    return relu(call) if high is None else _population(call, float(high))


def threshold_at_zero(call: Call) -> Node | None:
    """``threshold(x, 0, 0)``, which is relu."""
    if (call.arguments["threshold"], call.arguments["value"]) != (0, 0):
        raise Refusal("its threshold or its value is not 0", "use relu")
    return relu(call)


def _population(call: Call, ceiling: float | None) -> Node:
    if not call.shape:
        raise Refusal("its population has no axis but the batch", "keep an axis of size 1: [batch, 1]")
    return call.node("population", operator="", arguments={}, neurons=Neurons(signed=False, ceiling=ceiling))


def maximum(call: Call) -> Node:
    """Max pooling: the maximum of prefixes, exact at every step. A scale of a channel passes through a maximum."""
    return call.node("function unit", "pools" if within_channels(call) else "mixes")


def reduced_maximum(call: Call) -> Node:
    """``amax`` over axes other than the batch."""
    return call.node("function unit", "mixes" if 1 in reduced_axes(call) else "pools")


RULES: dict[str, Rule] = {
    "aten.relu.default": relu,
    "aten.threshold.default": threshold_at_zero,
    "aten.relu6.default": relu6,
    "aten.hardtanh.default": clamp,
    "aten.clamp.default": clamp,
    "aten.clamp_min.default": clamp,
    **{f"aten.max_pool{n}d.default": maximum for n in (1, 2, 3)},
    **{f"aten.max_pool{n}d_with_indices.default": maximum for n in (2, 3)},
    **{f"aten.adaptive_max_pool{n}d.default": maximum for n in (1, 2, 3)},
    "aten.amax.default": reduced_maximum,
}

_SMOOTH = "sigmoid tanh gelu silu elu selu celu leaky_relu prelu rrelu softplus mish hardswish hardsigmoid log_sigmoid"
_NORMS = "layer_norm native_layer_norm group_norm native_group_norm instance_norm rms_norm"
_RECURRENT = "lstm gru rnn_tanh rnn_relu"

_NO_POPULATION = ("it is an activation that no ternary population stands for", "train with relu or relu6 in its place")
_STATISTICS = ("it normalises with statistics of its own input", "train with batch norm, which folds into the weights")
_LOOP = ("it feeds its output back into itself", "unroll it, or use a feed-forward network")
_LOGITS = ("it is a softmax", "return the logits: softmax does not change which class is largest")

REFUSED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(_SMOOTH.split(), _NO_POPULATION),
    **dict.fromkeys(_NORMS.split(), _STATISTICS),
    **dict.fromkeys(_RECURRENT.split(), _LOOP),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), _LOGITS),
    "native_dropout": ("it drops at random in evaluation too", "pass training=self.training to dropout"),
    "scaled_dot_product_attention": ("it multiplies streams", "attention is not converted yet"),
    "embedding": ("it looks up whole numbers", "pass the embedded vectors as the input of the network"),
}
"""Reason and remedy for operators that users are likely to meet, by the name of the operator."""
