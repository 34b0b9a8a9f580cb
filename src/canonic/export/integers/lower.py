"""An integer network from the plan that the schedulers run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from canonic.codes import CSS
from canonic.errors import ExportError
from canonic.export.elsewhere import elsewhere, listed
from canonic.export.integers.network import IntegerNetwork, IntegerNode, Kind
from canonic.export.integers.windows import moves, windows
from canonic.measure.fanout import fan_out
from canonic.network import SpikingNetwork
from canonic.network.draft import NotWhole
from canonic.network.graph import Graph, Node, Population
from canonic.network.grids import averaged, weight_unit
from canonic.network.plan import Plan
from canonic.network.population import ceiling_of
from canonic.network.weights import against_outputs

Content = tuple[Mapping[str, Any], Mapping[str, ndarray]]


def to_integer_network(snn: SpikingNetwork) -> IntegerNetwork:
    """Return a network in whole numbers as plain data.

    Raises:
        ConversionError: if it cannot be had in whole numbers; the message names the layer.
        ExportError: if a node has no kind there; the message names all of them.
    """
    if (code := snn.plan.css) is None:
        raise _other_neurons(snn)
    try:
        plan = snn.to_precision("int8").clocked_plan
    except NotWhole as error:
        raise ExportError(_without_kind(snn.plan) or f"{error.reason}: take {elsewhere(snn.plan)}") from None
    if told := _without_kind(plan):
        raise ExportError(told)
    graph = plan.graph.map_tensors(Tensor.cpu)
    nodes = tuple(_lowered(plan, graph, node) for node in graph.nodes)
    return IntegerNetwork(code.steps, int(code.beta), graph.outputs, nodes)


def _other_neurons(snn: SpikingNetwork) -> ExportError:
    """Return the refusal of neurons that are not of CSS; a network that was trained with them cannot take others."""
    other = listed([node for node in snn.graph.populations if node.neurons.css is None], snn.plan)
    remedy = "" if snn.plan.stepwise or "training" in snn.record else "convert with css, or "
    told = f"an integer file holds networks in the family of css, not {other}"
    return ExportError(f"{told}: {remedy}take {elsewhere(snn.plan)}")


def _without_kind(plan: Plan) -> str | None:
    """Return which nodes have no kind, and what holds them."""
    other = [f"{node.name} ({node.operator})" for node in plan.graph.nodes if _kind(node) is None]
    told = f"an integer file has no node for {', '.join(other)}: take {elsewhere(plan)}, or other layers"
    return told if other else None


def _kind(node: Node) -> Kind | None:
    """Return what a node is; None if it has no kind."""
    if node.kind in ("input", "population"):
        return "input" if node.kind == "input" else "population"
    if node.weighted:
        return "linear" if "maps rows" in node.traits else "convolution" if _even(node) else None
    if node.is_scale:
        return "scale"
    if "maximises" in node.traits:
        return "maximum"
    if node.kind == "function unit":
        return "clip" if "max" in node.arguments else None
    by_scaling: dict[str, Kind] = {"sums": "sum", "moves": "move", "pools": "total"}
    return by_scaling.get(node.scaling)


def _even(node: Node) -> bool:
    """Whether a node is a convolution with as many zeros in front of each axis as behind it."""
    weight = node.tensors["weight"]
    if "transposes" in node.traits or weight.dim() < 3 or weight.dim() != len(node.shape) + 1:
        return False
    if node.arguments.get("padding") != "same":
        return True
    geometry, kernel = _geometry(node), weight.shape[2:]
    return all(apart * (taps - 1) % 2 == 0 for apart, taps in zip(geometry["dilation"], kernel, strict=True))


def _lowered(plan: Plan, graph: Graph, node: Node) -> IntegerNode:
    kind = _kind(node) or "input"
    first = [graph.first_steps[name] for name in node.inputs]
    numbers, arrays = _CONTENTS[kind](plan, graph, node)
    delays = tuple(max(first) - own for own in first)
    at = graph.first_steps[node.name]
    return IntegerNode(node.name, kind, node.inputs, node.shape, at, delays, numbers, dict(arrays))


def _nothing(_plan: Plan, _graph: Graph, _node: Node) -> Content:
    return {}, {}


def _clip(_plan: Plan, _graph: Graph, node: Node) -> Content:
    return {"least": float(node.arguments["min"]), "most": float(node.arguments["max"])}, {}


def _scale(_plan: Plan, graph: Graph, node: Node) -> Content:
    """Return the factor; behind an average, which is a total here, that of the total."""
    source, factor = graph[node.inputs[0]], node.tensors["weight"].double()
    if _kind(source) == "total":
        factor = factor / (averaged(source, graph[source.inputs[0]].shape) or 1)
    arrays = {"factor": factor.float().numpy()}
    return {"rounds": node.rounds}, {**arrays, **_bias(node)}


def _matrix(_plan: Plan, graph: Graph, node: Node) -> Content:
    unit = weight_unit(node)
    weight = (node.tensors["weight"] / against_outputs(node, unit)).to(torch.int8)
    reached = fan_out(graph, node).to(torch.int32)
    arrays = {"weight": weight.numpy(), "shift": unit.log2().to(torch.uint8).numpy(), "fan_out": reached.numpy()}
    numbers = {} if "maps rows" in node.traits else _geometry(node)
    return numbers, {**arrays, **_bias(node)}


def _geometry(node: Node) -> dict[str, Any]:
    """Return stride, padding and dilation along each axis, and the groups."""
    kernel, padding = node.tensors["weight"].shape[2:], node.arguments.get("padding", 0)
    stride, dilation = (_each(node.arguments.get(name, 1), len(kernel)) for name in ("stride", "dilation"))
    if padding == "same":
        padding = [apart * (taps - 1) // 2 for apart, taps in zip(dilation, kernel, strict=True)]
    edges = _each(0 if padding == "valid" else padding, len(kernel))
    groups = int(node.arguments.get("groups", 1))
    return {"stride": stride, "padding": edges, "dilation": dilation, "groups": groups}


def _each(value: int | list[int], rank: int) -> list[int]:
    """Return what belongs to each axis; one number stands for all."""
    return [value] * rank if isinstance(value, int) else list(value) * (rank // len(value))


def _bias(node: Node) -> dict[str, ndarray]:
    return {"bias": _whole(node.tensors["bias"])} if "bias" in node.tensors else {}


def _sum(_plan: Plan, _graph: Graph, node: Node) -> Content:
    """Return how often each stream is added; a node may add one to itself."""
    times = [0] * len(node.inputs)
    for name, sign in (("self", 1), ("other", -1 if "subtracts" in node.traits else 1)):
        times[node.arguments[name].index] += sign
    return {"times": times}, {}


def _move(_plan: Plan, graph: Graph, node: Node) -> Content:
    places = moves(node, [graph[name].shape for name in node.inputs])
    count = sum(graph[name].size for name in node.inputs)
    same = len(node.inputs) == 1 and np.array_equal(places, np.arange(1, count + 1))
    return {}, {} if same else {"places": places}


def _pool(_plan: Plan, graph: Graph, node: Node) -> Content:
    return {}, {"places": windows(replace(node, rounds=False), graph[node.inputs[0]].shape)}


def _population(_plan: Plan, _graph: Graph, node: Node) -> Content:
    code = node.neurons.css if isinstance(node, Population) else None
    if not isinstance(node, Population) or code is None:
        raise TypeError(f"{node.name} is no population of css")
    numbers = {"signed": node.neurons.signed, "silent": node.silent, "levels": code.levels, "powers": code.powers}
    theta = node.tensors["threshold"]
    arrays = {
        "threshold": _whole(theta),
        **({"start": _whole(node.tensors["start"])} if "start" in node.tensors else {}),
    }
    if code.levels == 1:
        arrays["bar"] = _whole(torch.stack(list(_bars(code, theta))).ceil())
    if (top := ceiling_of(node, code)) is not None:
        arrays["most_sent"] = _whole(torch.stack([(top * code.beta**m).round() for m in range(code.steps)]))
    return numbers, arrays


def _bars(code: CSS, theta: Tensor) -> Iterator[Tensor]:
    """Yield from where on each digit is 1, as the schedulers compare."""
    for digit in range(1, code.steps + 1):
        yield code.fraction(digit) * code.beta**code.silent * theta


def _whole(tensor: Tensor) -> ndarray:
    numbers: ndarray = tensor.to(torch.int32).numpy()
    return numbers


_CONTENTS: Mapping[Kind, Callable[[Plan, Graph, Node], Content]] = {
    "input": _nothing,
    "clip": _clip,
    "scale": _scale,
    "convolution": _matrix,
    "linear": _matrix,
    "sum": _sum,
    "move": _move,
    "total": _pool,
    "maximum": _pool,
    "population": _population,
}
