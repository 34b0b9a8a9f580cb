"""The same network in another code: weights, ranges and corrections stay, so that nothing but the code differs."""

from dataclasses import replace

import torch

from canonic.codes import Weighted
from canonic.conversion.functions import with_units
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import Override
from canonic.conversion.units import fold_thresholds
from canonic.network import SpikingNetwork
from canonic.network.graph import Population
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
    rules = {
        node.name: Override(code=signed if node.neurons.signed and signed else code) for node in snn.graph.populations
    }
    coded = set_codes(with_units(snn.graph).map_populations(_bare), code, rules)
    before = {node.name: _nominal(node) for node in snn.graph.populations}
    shares = {node.name: before[node.name] / _nominal(node) for node in coded.populations}

    def rescaled(node: Population) -> Population:
        return node.with_tensors(theta=torch.full_like(node.tensors["theta"], shares[node.name]))

    def restored(node: Population) -> Population:
        own, share = snn.graph[node.name].tensors, shares[node.name]
        mean = {"mean": own["mean"] / share} if "mean" in own else {}
        return node.with_tensors(theta=own["theta"] * share, **mean)

    graph = fold_thresholds(coded.map_populations(rescaled)).map_populations(restored)
    return SpikingNetwork(Plan(graph, code), snn.record)


def _bare(node: Population) -> Population:
    """Return a population without a code, which starts from rest."""
    neurons = replace(node.neurons, code=None, waits=None)
    return replace(node, neurons=neurons, tensors={"theta": node.tensors["theta"]})


def _nominal(node: Population) -> float:
    return node.neurons.code.nominal if node.neurons.code else 1.0
