"""Folding the thresholds into the weights: W_hat = W * theta_in / theta_out.

Every stream gets a unit u, a tensor that broadcasts against one sample: the value is u times what the stream
carries. A population wants its input in units of its theta and sends spikes -1, 0, +1 in that unit. Weights absorb
the units on both sides, structure passes them on, and where units still differ a diagonal synapse converts them.
"""

from collections.abc import Container
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from canonic.network.apply import through
from canonic.network.graph import UNIT, Graph, Node, Population
from canonic.network.inputs import as_weights, prototype
from canonic.network.traits import SCALE
from canonic.network.weights import absorb, compress, padded, scale_arguments, scale_output


def fold_thresholds(graph: Graph) -> Graph:
    """Return the graph with spikes of exactly -1, 0, +1 and every threshold 1; outputs are in plain units."""
    like, graph = prototype(graph), graph.map_tensors(torch.Tensor.cpu)
    folding = _Folding(graph, {}, {})
    for node in graph.nodes:
        folding.fold(node)
    outputs = tuple(folding.in_unit(name, torch.ones(()), name) for name in graph.outputs)
    folded = replace(graph, nodes=tuple(folding.nodes.values()), outputs=outputs)
    return folded.map_tensors(lambda tensor: as_weights(tensor, like))


@dataclass
class _Folding:
    graph: Graph
    nodes: dict[str, Node]
    units: dict[str, Tensor] = field(default_factory=dict)

    def fold(self, node: Node) -> None:
        if isinstance(node, Population):
            theta = node.tensors["theta"]
            source = self.in_unit(node.inputs[0], theta, node.name)
            self.put(replace(node, inputs=(source,)), theta)
        elif node.kind == "input":
            self.put(node, torch.ones([1] * len(node.shape)))
        elif node.scaling == "weighs" or node.weighted:
            self.fold_weights(node)
        elif node.kind == "function unit" and node.scaling == "mixes":
            self.fold_function(node)
        elif node.scaling == "sums":
            unit = _wanted(self.graph, node)
            self.put(replace(node, inputs=tuple(self.in_unit(name, unit, node.name) for name in node.inputs)), unit)
        else:
            self.fold_structure(node)

    def fold_weights(self, node: Node) -> None:
        scaled = absorb(node, self.units[node.inputs[0]])
        if scaled is None:
            scaled = replace(node, inputs=(self.in_unit(node.inputs[0], torch.ones(()), node.name),))
        wanted = _wanted(self.graph, node)
        folded = scale_output(scaled, 1 / wanted) if node.scaling == "weighs" else None
        self.put(scaled if folded is None else folded, torch.ones(()) if folded is None else wanted)

    def fold_function(self, node: Node) -> None:
        plain = tuple(self.in_unit(name, torch.ones(()), node.name) for name in node.inputs)
        wanted = _wanted(self.graph, node)
        gain = {} if bool((wanted == 1).all()) else {"gain": node.tensors.get("gain", torch.ones(())) / wanted}
        self.put(replace(node, inputs=plain).with_tensors(**gain), wanted)

    def fold_structure(self, node: Node) -> None:
        units = [self.units[name] for name in node.inputs]
        unit = passed(node, units, [self.nodes[name].shape for name in node.inputs])
        if unit is None:
            node = replace(node, inputs=tuple(self.in_unit(name, torch.ones(()), node.name) for name in node.inputs))
        self.put(node, torch.ones(()) if unit is None else unit)

    def in_unit(self, name: str, unit: Tensor, reader: str) -> str:
        """Return the name of a node that carries the stream of this one in the wanted unit."""
        factor = compress(self.units[name] / unit)
        if bool((factor == 1).all()):
            return name
        source = self.nodes[name]
        scale = Node(
            name=free(f"{reader}.scale", self.nodes),
            kind="synapse",
            operator=SCALE,
            inputs=(name,),
            shape=np.broadcast_shapes(source.shape, tuple(factor.shape)),
            arguments=scale_arguments(),
            tensors={"weight": padded(factor, len(source.shape))},
            scaling="weighs",
            origin=replace(source.origin, operator=UNIT),
        )
        self.put(scale, unit)
        return scale.name

    def put(self, node: Node, unit: Tensor) -> None:
        self.nodes[node.name] = node
        self.units[node.name] = unit


def _wanted(graph: Graph, node: Node) -> Tensor:
    """Return the unit that the only reader of a node wants; plain units where it has several, or is an output."""
    readers = graph.consumers[node.name]
    if len(readers) == 1 and node.name not in graph.outputs:
        reader = readers[0]
        if isinstance(reader, Population):
            return reader.tensors["theta"]
        if reader.shape == node.shape and reader.scaling == "sums":
            return _wanted(graph, reader)
        if len(reader.shape) == len(node.shape) and reader.scaling == "pools":
            wanted = _wanted(graph, reader)
            return wanted if _by_channel(wanted, len(node.shape)) is not None else torch.ones(())
    return torch.ones(())


def passed(node: Node, units: list[Tensor], shapes: list[tuple[int, ...]]) -> Tensor | None:
    """Return the unit of the output where it follows from those of the inputs, else None."""
    if all(bool((unit == 1).all()) for unit in units):
        return torch.ones(())
    if node.scaling == "pools":
        channels = _by_channel(units[0], len(shapes[0]))
        return None if channels is None else channels.reshape(-1, *[1] * (len(node.shape) - 1))
    if node.scaling == "moves":
        unit = through(node, [unit.expand(shape) for unit, shape in zip(units, shapes, strict=True)]).abs()
        kind = max((unit.dtype for unit in units), key=lambda dtype: dtype.itemsize)
        return compress(unit, unit != 0).to(kind)  # signs may change, and padding is zero in any unit
    return None


def _by_channel(unit: Tensor, rank: int) -> Tensor | None:
    """Return a unit as a vector over axis 0 of a sample, or None if it differs along another axis."""
    if unit.numel() == 1:
        return unit.reshape(1)
    unit = padded(unit, rank)
    return unit.reshape(-1) if unit.numel() == unit.shape[0] else None


def free(name: str, taken: Container[str]) -> str:
    """Return a name that is not taken: this one, or this one with a number.

    >>> free("a", ["a", "a_2"])
    'a_3'
    """
    count, candidate = 2, name
    while candidate in taken:
        candidate, count = f"{name}_{count}", count + 1
    return candidate
