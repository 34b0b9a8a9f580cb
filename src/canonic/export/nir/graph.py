"""A network as a graph of NIR: its nodes, the delays where branches meet, and the numbers that are added once.

Streams that arrive at a node of NIR are added up, so that a sum is no node of its own. A population of k silent steps
delays what it sends by k steps; where a branch with fewer of them meets another there is a Delay. What is added with
some digits only, such as a bias of CSS, which comes with the first, is a Scale behind an Input of its own, that is fed
``gains`` from step ``begin`` on: so nothing is added that the network does not add.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from canonic.errors import ExportError
from canonic.export.nir.key import DT, FORMAT, KEY, full, noted, require_package
from canonic.export.nir.neurons import RECURRENT, array_of, obstacle, population
from canonic.export.nir.synapses import chain_of, marked
from canonic.network import SpikingNetwork
from canonic.network.carried import takes_maxima
from canonic.network.graph import Node, Population
from canonic.network.inputs import prototype
from canonic.network.plan import Plan, entry, total_steps
from canonic.network.storage import described_plan

Where = Mapping[str, list[Any]]
"""Where each tensor of a node stands: the node of NIR, its field, and the shape that the tensor has."""


@dataclass(frozen=True)
class Draft:
    """A graph of NIR that is being made.

    Attributes:
        plan: of the network.
        nodes: of NIR, by name.
        edges: between them.
        ends: of each node of the network the nodes of NIR whose streams, added up, are its stream.
        tensors: where the tensors of each node stand.
        refused: why a node cannot be written.
    """

    plan: Plan
    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    ends: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tensors: dict[str, Where] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def refuse(self, name: str, why: str) -> None:
        """Keep why a node cannot be written; what reads it is asked all the same."""
        self.refused[name] = why
        self.ends[name] = ()

    def put(self, name: str, node: Any, sources: tuple[str, ...] = ()) -> str:
        """Add a node of NIR that reads others."""
        if name in self.nodes or "/" in name:
            raise ExportError(f"two nodes of NIR would be called {name}, or it has a slash: rename the module")
        self.nodes[name] = node
        self.edges.extend((source, name) for source in sources)
        return name


def to_nir(snn: SpikingNetwork) -> Any:
    """Return a network as a ``nir.NIRGraph``.

    Raises:
        ExportError: if NIR cannot hold it; the message names all nodes.
    """
    nir = require_package()
    if snn.precision != "fp32":
        raise ExportError(f"NIR holds networks of floats, this one is {snn.precision}: take to_precision('fp32')")
    draft = Draft(snn.plan)
    for node in snn.graph.nodes:
        _place(draft, node)
    if draft.refused:
        told = "; ".join(f"{name}: {why}" for name, why in draft.refused.items())
        raise ExportError(f"NIR cannot hold {told}: take --to onnx, which holds all operators, or other layers")
    for place, name in enumerate(snn.graph.outputs):
        called = "output" if len(snn.graph.outputs) == 1 else f"output.{place}"
        shape = {"output": _sizes(snn.graph[name])}
        draft.put(called, nir.Output(shape, metadata=_answer(snn.plan, name)), draft.ends[name])
    return nir.NIRGraph(draft.nodes, draft.edges, metadata={KEY: json.dumps(_whole(snn, draft))})


def _sizes(node: Node) -> Any:
    import numpy as np

    return np.array(node.shape)


def _whole(snn: SpikingNetwork, draft: Draft) -> dict[str, Any]:
    """Return what the metadata of the graph say: steps, and the network as this package reads it back."""
    plan = described_plan(snn.plan)
    nodes = [{**node, "tensors": draft.tensors.get(node["name"], {})} for node in plan["nodes"]]
    return {
        "format": FORMAT,
        "steps": total_steps(snn.plan),
        "dt": DT,
        "plan": {**plan, "nodes": nodes},
        "record": dict(snn.record),
    }


def _answer(plan: Plan, name: str) -> dict[str, Any]:
    """Return how the answer is read from a stream."""
    code = plan.codes[name]
    whole = {"weights": code.weights, "norms": code.norms, "steps": code.steps}
    return noted({"is": "answer", "begin": plan.graph.first_steps[name], "read": plan.readout, **whole})


def _place(draft: Draft, node: Node) -> None:
    """Add a node of the network, or why it cannot be."""
    if node.kind == "input":
        _input(draft, node)
    elif isinstance(node, Population):
        _population(draft, node)
    elif node.scaling == "sums" and len(node.inputs) == 2 and not {"adds", "subtracts"}.isdisjoint(node.traits):
        _sum(draft, node)
    else:
        _chain(draft, node)


def _input(draft: Draft, node: Node) -> None:
    gains = _entering(draft.plan, node.name)
    if node.arguments.get("dtype") is not None:
        draft.refuse(node.name, "an input of whole numbers")
    elif len(gains) > 1:
        draft.refuse(node.name, "an input that is read by populations of unlike codes")
    else:
        fed = {"frames": node.arguments["frames"]} if draft.plan.follows else {"gains": next(iter(gains))}
        made = require_package().Input({"input": _sizes(node)}, metadata=noted({"is": "input", **fed}))
        draft.ends[node.name] = (draft.put(node.name, made),)


def _entering(plan: Plan, name: str) -> set[tuple[float, ...]]:
    """Return with what gains an input enters: those of all that read it, or what follows from it alone."""
    found: set[tuple[float, ...]] = set()
    for reader in plan.graph.consumers[name]:
        if reader.name in plan.whole:
            found |= _entering(plan, reader.name)
        else:
            found.add(entry(plan.sender(reader) if isinstance(reader, Population) else plan.codes[reader.name]))
    return found or {entry(plan.code)}


def _population(draft: Draft, node: Population) -> None:
    if why := obstacle(draft.plan, node):
        draft.refuse(node.name, why)
        return
    chain = population(draft.plan, node)
    first = draft.put(node.name, chain[0], _aligned(draft, node))
    draft.ends[node.name] = tuple(_behind(draft, node.name, first, chain[1:]))
    where: dict[str, list[Any]] = {
        name: [node.name, f"{KEY}.{array_of(name)}", list(t.shape)]
        for name, t in node.tensors.items()
        if not name.startswith(RECURRENT)
    }
    draft.tensors[node.name] = where | _recurrence(draft, node)


def _recurrence(draft: Draft, node: Population) -> Where:
    """Add the matrix that brings the spikes of a population back to it, with the next step."""
    if "recurrent" not in node.tensors:
        return {}
    nir, name, given = require_package(), f"{node.name}.recurrent", node.tensors
    weight = full(given["recurrent"], tuple(given["recurrent"].shape), given["recurrent"])
    where = {"recurrent": [name, "weight", list(weight.shape)]}
    if "recurrent bias" in given:
        bias = full(given["recurrent bias"], node.shape, given["recurrent bias"])
        draft.put(name, nir.Affine(weight, bias), draft.ends[node.name])
        where["recurrent bias"] = [name, "bias", list(node.shape)]
    else:
        draft.put(name, nir.Linear(weight), draft.ends[node.name])
    draft.edges.append((name, node.name))
    return where


def _sum(draft: Draft, node: Node) -> None:
    """Add up two streams: the edges of both lead on."""
    if any(draft.plan.graph[name].shape != node.shape for name in node.inputs):
        draft.refuse(node.name, "a sum of streams of unlike shapes")
        return
    alpha = float(node.arguments.get("alpha") or 1) * (-1 if "subtracts" in node.traits else 1)
    first, second = (_delayed(draft, node, name) for name in node.inputs)
    if alpha != 1 or set(first) & set(second):
        scale = require_package().Scale(full(alpha, node.shape, prototype(draft.plan.graph)))
        second = (draft.put(f"{node.name}.scale", scale, second),)
    draft.ends[node.name] = (*first, *second, *_bias(draft, node))


def _chain(draft: Draft, node: Node) -> None:
    plan, bias = draft.plan, node.tensors.get("bias")
    always = bias is not None and node.weighted and _always(plan, node)
    shape = plan.graph[node.inputs[0]].shape if node.inputs else ()
    chain = None
    if node.kind != "function unit" or takes_maxima(node):
        chain = chain_of(node, shape, bias if always else None)
    if chain is None:
        draft.refuse(node.name, f"{node.operator.split('.')[1]}, a {node.kind}")
        return
    if takes_maxima(node):
        chain = marked(chain, _maximum(plan, node))
    first, *rest = chain
    named = draft.put(node.name, first, _aligned(draft, node))
    ends = _behind(draft, node.name, named, rest)
    draft.tensors[node.name] = _standing(node, first, always=always)
    draft.ends[node.name] = (*ends, *(() if always else _bias(draft, node)))


def _maximum(plan: Plan, node: Node) -> dict[str, Any]:
    """Return what a maximum of streams is: of each step by itself, or of the numbers that they stand for so far."""
    if plan.stepwise or node.name in plan.whole:
        return {"is": "maximum", "of": "steps"}
    code = plan.codes[node.name]
    begin = plan.graph.first_steps[node.name]
    return {"is": "maximum", "of": "numbers", "begin": begin, "weights": code.weights, "norms": code.norms}


def _standing(node: Node, first: Any, *, always: bool) -> Where:
    """Return where the tensors of a node stand."""
    where: dict[str, list[Any]] = {}
    if "weight" in node.tensors:
        field_ = "scale" if node.is_scale else "weight"
        where["weight"] = [node.name, field_, list(node.tensors["weight"].shape)]
    if "bias" in node.tensors:
        place = [node.name, "bias"] if always else [f"{node.name}.bias", "scale"]
        where["bias"] = [*place, list(node.tensors["bias"].shape)]
    return where


def _always(plan: Plan, node: Node) -> bool:
    """Tell whether a bias is added at every step, from the first on: then it is that of NIR."""
    return _gains(plan, node) == (1.0,) * total_steps(plan) and plan.graph.first_steps[node.name] == 0


def _gains(plan: Plan, node: Node) -> tuple[float, ...]:
    """Return with what each step of a node's own time its bias is added."""
    if node.name not in plan.whole:
        return plan.gains[node.name]
    return next(iter(_entering(plan, node.name)))


def _bias(draft: Draft, node: Node) -> tuple[str, ...]:
    """Return the node that adds a bias with its gains, if there is one."""
    bias = node.tensors.get("bias")
    if bias is None:
        return ()
    nir, plan = require_package(), draft.plan
    fed = {"is": "pulse", "begin": plan.graph.first_steps[node.name], "gains": _gains(plan, node)}
    pulse = draft.put(f"{node.name}.pulse", nir.Input({"input": _sizes(node)}, metadata=noted(fed)))
    return (draft.put(f"{node.name}.bias", nir.Scale(full(bias, node.shape, bias)), (pulse,)),)


def _behind(draft: Draft, name: str, first: str, rest: list[Any]) -> tuple[str, ...]:
    """Add the rest of a chain, one behind the other."""
    for place, made in enumerate(rest, 1):
        first = draft.put(f"{name}.{place}", made, (first,))
    return (first,)


def _aligned(draft: Draft, node: Node) -> tuple[str, ...]:
    """Return all that a node reads, each delayed until the last of it."""
    return tuple(end for name in node.inputs for end in _delayed(draft, node, name))


def _delayed(draft: Draft, node: Node, name: str) -> tuple[str, ...]:
    """Return the nodes whose streams are that of an input of a node, as late as its other inputs."""
    first = draft.plan.graph.first_steps
    steps = max(first[own] for own in node.inputs) - first[name]
    if steps == 0:
        return draft.ends[name]
    late = f"{name}.delay.{steps}"
    if late not in draft.nodes:
        like: Tensor = prototype(draft.plan.graph)
        draft.put(late, require_package().Delay(full(steps * DT, draft.plan.graph[name].shape, like)), draft.ends[name])
    return (late,)
