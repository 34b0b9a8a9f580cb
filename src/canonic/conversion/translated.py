"""The same network in another code: weights, ranges and corrections stay, so that nothing but the code differs."""

from collections.abc import Callable
from dataclasses import replace

import torch

from canonic.codes import Weighted
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import Override
from canonic.conversion.units import fold_thresholds
from canonic.network import SpikingNetwork
from canonic.network.graph import Graph, Node
from canonic.network.plan import Plan


def translated(snn: SpikingNetwork, code: Weighted, signed: Weighted | None = None) -> SpikingNetwork:
    """Return a network, in floats, whose populations have another code, and start from rest.

    The largest number of each population stays what it was: its theta changes by ``nominal / nominal'``, the largest
    numbers that the two codes choose thresholds for, and is folded into the weights anew.

    Args:
        snn: the network.
        code: of all populations.
        signed: of those that send numbers of either sign, if another; of the same step weights and norms.

    Raises:
        ConversionError: if the code cannot carry what a population sends.

    >>> import torch
    >>> from canonic import convert
    >>> from canonic.codes import Binary
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> snn = convert(model, [torch.rand(64, 4)])
    >>> translated(snn, Binary(steps=8)).total_steps
    16
    """
    rules = {node.name: Override(code=signed if _signed(node) and signed else code) for node in snn.graph.populations}
    coded = set_codes(_populations(snn.graph, _bare), code, rules)
    shares = {node.name: _nominal(snn.graph[node.name]) / _nominal(node) for node in coded.populations}

    def rescaled(node: Node) -> Node:
        return node.with_tensors(theta=torch.full_like(node.tensors["theta"], shares[node.name]))

    def restored(node: Node) -> Node:
        own, share = snn.graph[node.name].tensors, shares[node.name]
        mean = {"mean": own["mean"] / share} if "mean" in own else {}
        return node.with_tensors(theta=own["theta"] * share, **mean)

    graph = _populations(fold_thresholds(_populations(coded, rescaled)), restored)
    return SpikingNetwork(Plan(graph, code), snn.record)


def _populations(graph: Graph, change: Callable[[Node], Node]) -> Graph:
    return replace(graph, nodes=tuple(change(node) if node.neurons else node for node in graph.nodes))


def _bare(node: Node) -> Node:
    """Return a population without a code, which starts from rest."""
    neurons = node.neurons and replace(node.neurons, code=None, waits=None)
    return replace(node, neurons=neurons, tensors={"theta": node.tensors["theta"]})


def _signed(node: Node) -> bool:
    return node.neurons is not None and node.neurons.signed


def _nominal(node: Node) -> float:
    return node.neurons.code.nominal if node.neurons and node.neurons.code else 1.0
