"""What a graph must be to be run, checked where it comes from a file: nothing of it is looked up before."""

import math
from collections.abc import Iterator
from typing import Any, get_args

import torch

from canonic.errors import first_line
from canonic.network.graph import Bias, Constant, Graph, Kind, Node, Population, Scaling, Slot
from canonic.network.inputs import prototype
from canonic.network.named import operator_named, require_plain
from canonic.network.outputs import output_names
from canonic.network.plan import Plan, Readout
from canonic.network.ruled import rule_of, ruled_scan

TRIED = 2**24
"""Neurons times steps up to which a rule is run to see whether it does."""

LARGEST = 2**31
"""Elements of one sample of a node: more is no network, and would take all memory."""


def require_sound(plan: Plan) -> None:
    """Raise a ValueError unless every node has what it needs, and reads only what comes before it."""
    graph, known = plan.graph, set[str]()
    if plan.bias not in get_args(Bias):
        raise ValueError(f"the bias {plan.bias!r} is none of {', '.join(get_args(Bias))}")
    if plan.readout not in get_args(Readout):
        raise ValueError(f"the readout {plan.readout!r} is none of {', '.join(get_args(Readout))}")
    require_plain(graph.form)
    for node in graph.nodes:
        if missing := [name for name in node.inputs if name not in known]:
            raise ValueError(f"{node.name} reads {', '.join(missing[:3])}, which no node before it makes")
        if node.name in known:
            raise ValueError(f"two nodes are called {node.name}")
        known.add(node.name)
        _require_kind(node)
        _require_parts(node)
    _require_ends(graph)
    if plan.stepwise:
        _require_steps(plan)


def _require_kind(node: Node) -> None:
    if node.kind not in get_args(Kind) or node.scaling not in get_args(Scaling):
        raise ValueError(f"{node.name} is a {node.kind!r} that {node.scaling!r}, which is nothing known")
    sizes = all(isinstance(size, int) and size > 0 for size in node.shape)
    if not sizes or math.prod(node.shape) > LARGEST:
        raise ValueError(f"{node.name} has the shape {list(node.shape)}")
    if (node.kind == "population") != isinstance(node, Population) or (node.kind == "input") != (not node.inputs):
        raise ValueError(f"{node.name} is a {node.kind} with {len(node.inputs)} inputs")


def _require_parts(node: Node) -> None:
    """Raise unless a node names an operator that computes tensors, and has the tensors that it needs."""
    if bool(node.operator) != (node.kind not in ("input", "population")):
        raise ValueError(f"{node.name} is a {node.kind} with the operator {node.operator!r}")
    if node.operator:
        _require_operator(node)
    given = list(_flat(list(node.arguments.values())))
    if any(isinstance(part, Slot) and part.index not in range(len(node.inputs)) for part in given):
        raise ValueError(f"{node.name} reads more inputs than it has")
    needed = {"theta"} if isinstance(node, Population) else {part.name for part in given if isinstance(part, Constant)}
    if missing := needed - node.tensors.keys():
        raise ValueError(f"{node.name} lacks its {', '.join(missing)}")


def _require_steps(plan: Plan) -> None:
    """Raise unless all populations of a trained network have rules, and its inputs as many frames as it has steps."""
    frames = {plan.graph[name].arguments.get("frames") for name in plan.graph.inputs}
    if frames != {plan.code.steps if plan.follows else None}:
        raise ValueError(f"its inputs have {', '.join(map(str, frames))} frames, the network {plan.code.steps} steps")
    for node in plan.graph.populations:
        if node.neurons.rule is None or node.neurons.code != plan.code:
            raise ValueError(f"{node.name} has no rule of this network's steps, and others have")
        _require_rule(plan, node)


def _require_rule(plan: Plan, node: Population) -> None:
    """Raise unless the rule of a population can be, runs, and sends what its neurons do; many of them are not run."""
    rule_of(node)
    if plan.code.steps * node.size > TRIED:
        return
    nothing = torch.zeros(plan.code.steps, 1, *node.shape, dtype=prototype(plan.graph).dtype)
    try:
        sent = ruled_scan(plan, node, nothing).spikes
    except (RuntimeError, IndexError) as error:
        raise ValueError(f"the rule of {node.name} does not run ({first_line(error)[:80]})") from None
    if sent.shape != nothing.shape:
        raise ValueError(f"the rule of {node.name} sends {list(sent.shape)} for {list(nothing.shape)}")


def _require_operator(node: Node) -> None:
    try:
        operator = operator_named(node.operator)
    except ValueError as error:
        raise ValueError(f"the operator of {node.name}: {error}") from None
    if operator._schema.is_mutable:
        raise ValueError(f"the operator {node.operator} of {node.name} changes its input")


def _require_ends(graph: Graph) -> None:
    inputs = tuple(node.name for node in graph.nodes if node.kind == "input")
    if not inputs or sorted(inputs) != sorted(graph.inputs):
        raise ValueError(f"its inputs are {', '.join(graph.inputs)}, its nodes of that kind {', '.join(inputs)}")
    if not graph.outputs or not {node.name for node in graph.nodes}.issuperset(graph.outputs):
        raise ValueError(f"its outputs are {', '.join(graph.outputs) or 'none'}, which are no nodes")
    if (held := len(output_names(graph))) != len(graph.outputs):
        raise ValueError(f"its form holds {held} outputs, the graph {len(graph.outputs)}")


def _flat(arguments: list[Any]) -> Iterator[Any]:
    for argument in arguments:
        if isinstance(argument, list):
            yield from _flat(argument)
        else:
            yield argument
