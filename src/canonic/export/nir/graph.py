"""A network as a graph of NIR: its nodes, the delays where branches meet, and the numbers that are added once.

Streams that arrive at a node of NIR are added up, so that a sum is no node of its own. A population of k silent steps
delays what it sends by k steps; where a branch with fewer of them meets another there is a Delay. What is added with
some digits only, such as a bias of CSS, which comes with the first, is a Scale behind an Input of its own, that is fed
``gains`` from step ``begin`` on: so nothing is added that the network does not add.
"""

import json
from typing import Any

import numpy as np

from canonic.errors import ExportError
from canonic.export.elsewhere import elsewhere
from canonic.export.nir.draft import Draft, Where, added, aligned, behind, delayed, entering, is_always, sizes
from canonic.export.nir.key import DT, FORMAT, KEY, Chain, full, noted, require_package
from canonic.export.nir.neurons import RECURRENT, array_of, obstacle, population
from canonic.export.nir.places import counted, placed
from canonic.export.nir.structure import moved, moves
from canonic.export.nir.synapses import chain_of, marked
from canonic.network import SpikingNetwork
from canonic.network.carried import takes_maxima
from canonic.network.graph import Node, Population
from canonic.network.inputs import prototype
from canonic.network.plan import Plan, total_steps
from canonic.network.storage import described_plan


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
        raise ExportError(f"NIR cannot hold {told}: take {elsewhere(snn.plan)}, or other layers")
    for place, name in enumerate(snn.graph.outputs):
        called = "output" if len(snn.graph.outputs) == 1 else f"output.{place}"
        shape = {"output": sizes(snn.graph[name])}
        draft.put(called, nir.Output(shape, metadata=_answer(snn.plan, name)), draft.ends[name])
    typed = all(map(_is_typed, draft.nodes.values()))
    return nir.NIRGraph(draft.nodes, draft.edges, {KEY: json.dumps(_whole(snn, draft))}, type_check=typed)


def _is_typed(node: Any) -> bool:
    """Tell whether the package nir knows the sizes behind a node: it reads no groups, no moves, kernels as squares."""
    kernel, is_move = np.shape(getattr(node, "weight", 0))[2:], isinstance(node, require_package().Flatten)
    return int(getattr(node, "groups", 1)) == 1 and len(set(kernel)) <= 1 and not (is_move and node.metadata)


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
    elif len(node.inputs) > 1 and moves(node) and not node.alone:
        _join(draft, node)
    else:
        _chain(draft, node)


def _input(draft: Draft, node: Node) -> None:
    gains = entering(draft.plan, node.name)
    if node.arguments.get("dtype") is not None:
        draft.refuse(node.name, "an input of whole numbers")
    elif len(gains) > 1:
        draft.refuse(node.name, "an input that is read by populations of unlike codes")
    else:
        fed = {"frames": node.arguments["frames"]} if draft.plan.follows else {"gains": next(iter(gains))}
        made = require_package().Input({"input": sizes(node)}, metadata=noted({"is": "input", **fed}))
        draft.ends[node.name] = (draft.put(node.name, made),)


def _population(draft: Draft, node: Population) -> None:
    if why := obstacle(draft.plan, node):
        draft.refuse(node.name, why)
        return
    chain = population(draft.plan, node)
    first = draft.put(node.name, chain[0], aligned(draft, node))
    draft.ends[node.name] = behind(draft, node.name, first, chain[1:])
    where: dict[str, list[Any]] = {
        name: [node.name, f"{KEY}.{array_of(name)}", list(t.shape)]
        for name, t in node.tensors.items()
        if not name.startswith(RECURRENT)
    }
    draft.tensors[node.name] = {**where, **_recurrence(draft, node)}


def _recurrence(draft: Draft, node: Population) -> Where:
    """Add the matrix that brings the spikes of a population back to it, with the next step."""
    if "recurrent" not in node.tensors:
        return {}
    nir, name, given = require_package(), f"{node.name}:recurrent", node.tensors
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
    alpha = float(node.arguments.get("alpha") or 1) * (-1 if "subtracts" in node.traits else 1)
    first, second = (_spread(draft, node, place) for place in (0, 1))
    if alpha != 1 or set(first) & set(second):
        scale = require_package().Scale(full(alpha, node.shape, prototype(draft.plan.graph)))
        second = (draft.put(f"{node.name}:scale", scale, second),)
    draft.ends[node.name] = (*first, *second, *added(draft, node))


def _spread(draft: Draft, node: Node, which: int) -> tuple[str, ...]:
    """Return the nodes whose streams are that of a term of a sum, in the shape of the sum."""
    name = node.inputs[which]
    shape, ends = draft.plan.graph[name].shape, delayed(draft, node, name)
    if shape == node.shape:
        return ends
    return (draft.put(f"{node.name}:part {which}", placed(shape, counted(shape).expand(node.shape)), ends),)


def _join(draft: Draft, node: Node) -> None:
    """Take the elements of each stream to their places; all of them lead on, and are added up."""
    ends, shapes = list[str](), [draft.plan.graph[name].shape for name in node.inputs]
    for place, name in enumerate(node.inputs):
        chain = moved(node, shapes, place)
        part = f"{node.name}:part {place}"
        ends += behind(draft, part, draft.put(part, chain[0], delayed(draft, node, name)), chain[1:])
    draft.tensors[node.name] = _standing(node, [], always=False)
    draft.ends[node.name] = (*ends, *added(draft, node))


def _chain(draft: Draft, node: Node) -> None:
    plan, bias = draft.plan, node.tensors.get("bias")
    always = bias is not None and node.weighted and is_always(plan, node)
    shape = plan.graph[node.inputs[0]].shape if node.inputs else ()
    chain = None
    if node.kind != "function unit" or takes_maxima(node):
        chain = chain_of(node, shape, bias) if always else None
        always = chain is not None
        chain = chain or chain_of(node, shape, None)
    if chain is None:
        draft.refuse(node.name, f"{node.operator.split('.')[1]}, a {node.kind}")
        return
    if takes_maxima(node):
        chain = marked(chain, _maximum(plan, node))
    if "gain" in node.tensors:
        chain.append(require_package().Scale(full(node.tensors["gain"], node.shape, node.tensors["gain"])))
    named = draft.put(node.name, chain[0], aligned(draft, node))
    ends = behind(draft, node.name, named, chain[1:])
    draft.tensors[node.name] = _standing(node, chain, always=always)
    draft.ends[node.name] = (*ends, *(() if always else added(draft, node)))


def _maximum(plan: Plan, node: Node) -> dict[str, Any]:
    """Return what a maximum of streams is: of each step by itself, or of the numbers that they stand for so far."""
    if plan.stepwise or node.name in plan.whole:
        return {"is": "maximum", "of": "steps"}
    code = plan.codes[node.name]
    begin = plan.graph.first_steps[node.name]
    return {"is": "maximum", "of": "numbers", "begin": begin, "weights": code.weights, "norms": code.norms}


def _standing(node: Node, chain: Chain, *, always: bool) -> Where:
    """Return where the tensors of a node stand; behind its shape, the groups of a kernel that is turned."""
    where: dict[str, list[Any]] = {}
    held = next((place for place, made in enumerate(chain) if hasattr(made, "weight")), 0)
    name = f"{node.name}:{held}" if held else node.name
    if "weight" in node.tensors:
        turned = [int(node.arguments.get("groups", 1))] if "transposes" in node.traits else []
        where["weight"] = [name, "scale" if node.is_scale else "weight", list(node.tensors["weight"].shape), *turned]
    if "gain" in node.tensors:
        where["gain"] = [f"{node.name}:{len(chain) - 1}", "scale", list(node.tensors["gain"].shape)]
    if "bias" in node.tensors:
        place = [name, "bias"] if always else [f"{node.name}:bias", "scale"]
        where["bias"] = [*place, list(node.tensors["bias"].shape)]
    return where
