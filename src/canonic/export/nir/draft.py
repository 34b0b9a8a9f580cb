"""A graph of NIR that is being made: its nodes, what adds a number once, and the delays where branches meet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from canonic.errors import ExportError
from canonic.export.nir.key import DT, Array, full, noted, require_package
from canonic.network.graph import Node, Population
from canonic.network.inputs import prototype
from canonic.network.plan import Plan, entry, total_steps

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


def sizes(node: Node) -> Array:
    """Return the shape of a sample of a node, as NIR has it."""
    return np.array(node.shape)


def aligned(draft: Draft, node: Node) -> tuple[str, ...]:
    """Return all that a node reads, each delayed until the last of it."""
    return tuple(end for name in node.inputs for end in delayed(draft, node, name))


def delayed(draft: Draft, node: Node, name: str) -> tuple[str, ...]:
    """Return the nodes whose streams are that of an input of a node, as late as its other inputs."""
    first = draft.plan.graph.first_steps
    steps = max(first[own] for own in node.inputs) - first[name]
    if steps == 0:
        return draft.ends[name]
    late = f"{name}:delay {steps}"
    if late not in draft.nodes:
        like = prototype(draft.plan.graph)
        draft.put(late, require_package().Delay(full(steps * DT, draft.plan.graph[name].shape, like)), draft.ends[name])
    return (late,)


def behind(draft: Draft, name: str, first: str, rest: list[Any]) -> tuple[str, ...]:
    """Add the rest of a chain, one behind the other."""
    for place, made in enumerate(rest, 1):
        first = draft.put(f"{name}:{place}", made, (first,))
    return (first,)


def added(draft: Draft, node: Node) -> tuple[str, ...]:
    """Return the node that adds a bias with its gains, if there is one."""
    if "bias" not in node.tensors:
        return ()
    bias = node.tensors["bias"]
    nir, plan = require_package(), draft.plan
    fed = {"is": "pulse", "begin": plan.graph.first_steps[node.name], "gains": gains(plan, node)}
    pulse = draft.put(f"{node.name}:pulse", nir.Input({"input": sizes(node)}, metadata=noted(fed)))
    return (draft.put(f"{node.name}:bias", nir.Scale(full(bias, node.shape, bias)), (pulse,)),)


def is_always(plan: Plan, node: Node) -> bool:
    """Tell whether a bias is added at every step, from the first on: then it is that of NIR."""
    return gains(plan, node) == (1.0,) * total_steps(plan) and plan.graph.first_steps[node.name] == 0


def gains(plan: Plan, node: Node) -> tuple[float, ...]:
    """Return with what each step of a node's own time its bias is added."""
    if node.name not in plan.whole:
        return plan.gains[node.name]
    return next(iter(entering(plan, node.name)))


def entering(plan: Plan, name: str) -> set[tuple[float, ...]]:
    """Return with what gains an input enters: those of all that read it, or what follows from it alone."""
    found: set[tuple[float, ...]] = set()
    for reader in plan.graph.consumers[name]:
        if reader.name in plan.whole:
            found |= entering(plan, reader.name)
        else:
            found.add(entry(plan.sender(reader) if isinstance(reader, Population) else plan.codes[reader.name]))
    return found or {entry(plan.code)}
