"""The two floors of each layer, bytes and operations, and how far the engine is from them.

bytes: what must be moved between memory and processor if every stream is written once and read once, int8 spikes in and
    out. At the speed of a copy in this process.
operations: T times the multiplications of the layer, at the best speed of an int8 product in this process. The engine
    does fewer: none with channels that do not fire, and the first k + 1 digits at once.
"""

import time
from collections import defaultdict
from math import prod
from typing import Any

import torch
from torch import Tensor

from canonic import SpikingNetwork
from canonic.network import layerwise
from canonic.network.graph import Node, Population
from canonic.network.inputs import analog
from canonic.network.plan import Plan


def layers(snn: SpikingNetwork, x: Tensor) -> list[dict[str, Any]]:
    """Return for each matrix and population its floors and its time, in milliseconds."""
    plan, given = snn.layerwise_plan, x.contiguous(memory_format=torch.channels_last)
    rates, spent = best_rates(), times(plan, given)
    rows = []
    for node in plan.graph.nodes:
        if node.weighted or isinstance(node, Population):
            operations, moved = work(plan, node, len(x))
            rows.append(
                {
                    "layer": node.name,
                    "operations ms": 1e3 * operations / rates["multiplications per second"],
                    "bytes ms": 1e3 * moved / rates["bytes per second"],
                    "measured ms": 1e3 * spent[node.name],
                }
            )
    return rows


def work(plan: Plan, node: Node, batch: int) -> tuple[float, float]:
    """Return the multiplications, and the bytes that are read and written, for a batch."""
    graph, steps = plan.graph, plan.code.steps
    synapse = node.convolution if isinstance(node, Population) else node if node.weighted else None
    fan_in = prod(synapse.tensors["weight"].shape[1:]) if synapse else 0
    whole = analog(graph)  # streams of one step

    def moved(name: str) -> int:
        return graph[name].size * (1 if isinstance(graph[name], Population) else 4) * (1 if name in whole else steps)

    rows = 1 if whole.issuperset(node.inputs) else steps
    return float(batch * rows * node.size * fan_in), float(batch * sum(map(moved, (*node.inputs, node.name))))


def times(plan: Plan, x: Tensor, rounds: int = 5) -> dict[str, float]:
    """Return the seconds that each node takes, the fastest of some rounds."""
    best: dict[str, float] = defaultdict(lambda: float("inf"))
    original = layerwise.result_of
    spent: dict[str, float] = {}

    def timed(plan: Plan, node: Node, *given: Any, **how: Any) -> Any:
        start = time.perf_counter()
        result = original(plan, node, *given, **how)
        spent[node.name] = spent.get(node.name, 0.0) + time.perf_counter() - start
        return result

    layerwise.result_of = timed
    try:
        for _ in range(rounds):
            spent.clear()
            with torch.inference_mode():
                layerwise.layerwise(plan, [x])
            best.update({name: min(best[name], seconds) for name, seconds in spent.items()})
    finally:
        layerwise.result_of = original
    return best


def best_rates() -> dict[str, float]:
    """Return the speed of an int8 product and of a copy of 64 MiB."""
    a, b = torch.ones(1024, 1024, dtype=torch.int8), torch.ones(1024, 1024, dtype=torch.int8)
    source, target = torch.ones(2**24), torch.ones(2**24)
    product = _fastest(lambda: torch._int_mm(a, b))
    copy = _fastest(lambda: target.copy_(source))
    return {"multiplications per second": 1024**3 / product, "bytes per second": 2 * 4 * 2**24 / copy}


def _fastest(run: Any, rounds: int = 20) -> float:
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
