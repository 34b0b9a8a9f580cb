"""Rules of populations: relu in every spelling. What clips in another way is a function unit."""

import torch

from canonic.frontend.call import Call, Refusal, Rule
from canonic.frontend.functions import elementwise
from canonic.network.graph import Neurons, Node, Population


def relu(call: Call) -> Node | None:
    """A ReLU population; on a ReLU population it changes nothing."""
    before = call.streams[0]
    if isinstance(before, Population) and not before.neurons.signed:
        return None
    return _population(call, None)


def relu6(call: Call) -> Node:
    """A ReLU population clipped at 6."""
    return _population(call, 6.0)


def clamp(call: Call) -> Node | None:
    """``clamp(x, 0, c)``, ``hardtanh(x, 0, c)``: a population clipped at c. Other bounds make a function unit."""
    low = call.arguments.get("min_val", call.arguments.get("min"))
    high = call.arguments.get("max_val", call.arguments.get("max"))
    if not isinstance(low, int | float) or low != 0 or not isinstance(high, int | float | None):
        return elementwise(call)
    if high is not None and not high > torch.finfo(torch.float32).tiny:
        raise Refusal(f"it clips to [{low}, {high}]", "clip to [0, c] with c > 0")
    return relu(call) if high is None else _population(call, float(high))


def threshold(call: Call) -> Node | None:
    """``threshold(x, 0, 0)``, which is relu; it must not jump."""
    if call.arguments["threshold"] != call.arguments["value"]:
        raise Refusal("it jumps from its value to its threshold", "use relu, or a threshold equal to the value")
    return relu(call) if call.arguments["value"] == 0 else elementwise(call)


def _population(call: Call, ceiling: float | None) -> Node:
    if not call.shape:
        raise Refusal("its population has no axis but the batch", "keep an axis of size 1: [batch, 1]")
    return call.population(Neurons(signed=False, ceiling=ceiling))


RULES: dict[str, Rule] = {
    "aten.relu.default": relu,
    "aten.threshold.default": threshold,
    "aten.relu6.default": relu6,
    "aten.hardtanh.default": clamp,
    "aten.clamp.default": clamp,
    "aten.clamp_min.default": clamp,
    "aten.clamp_max.default": elementwise,
    "aten.clamp.Tensor": elementwise,
    "aten.clamp_min.Tensor": elementwise,
    "aten.clamp_max.Tensor": elementwise,
}
