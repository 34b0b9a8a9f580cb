"""A network of whole numbers: int8 weights, ternary spikes, integer currents, membranes and thresholds.

A stream holds whole numbers on a grid G, a tensor that broadcasts against one sample: the value is the number / G.
Spikes lie on the grid 1. A matrix that spikes go through gets, for output channel c,

    q = round(W G / 2^e) 2^e,   |q / 2^e| <= 127,       G_c = 2^f floor(127 / max |W_c|)

with the channel's finest weights, so that e = f but where weights of other sizes add to the same sum. The f bits below
the weights are for biases and for the scales of shortcuts. What the rounding of weights adds to a sum on average,
(q / G - W) E[x], is taken off the bias. A population that reads a stream on the grid G has the whole threshold G:
nothing else changes, as 1 in units of theta is G in units of the grid. Averages over n elements are sums on the grid
n G. Only the answer is divided by its grid at the end.
"""

from dataclasses import dataclass, field, replace
from itertools import product

import torch
from torch import Tensor

from canonic.errors import ConversionError
from canonic.network.apply import apply
from canonic.network.graph import Graph, Node, Plan, Slot
from canonic.network.grids import LARGEST_WEIGHT, averaged, finest_grid, largest_sum, rounding_scale, weight_unit
from canonic.network.inputs import prototype
from canonic.network.kernels import pack
from canonic.network.weights import compress, padded, scale_input, scale_output

LARGEST_CURRENT = 2.0**23
"""With membranes up to 2^22 every sum stays below 2^24: a float holds it exactly, and so does an int32."""
LARGEST_THRESHOLD = 2.0**20
"""Largest theta' = 2^k theta: membranes, which saturate at 2^22, then hold four of them."""
INPUT_BITS = (11, 10, 9, 8, 7)
"""Bits of the input beside its sign: as many as sums and thresholds leave room for."""
FRACTION_BITS = (4, 2, 0)
"""Bits below the weights, likewise."""


class _TooLarge(Exception):
    def __init__(self, node: Node, bound: float) -> None:
        super().__init__(f"the sums of {node.name} ({node.operator}) could reach {bound:.3g}")


def to_integers(plan: Plan) -> Plan:
    """Return the plan in whole numbers, for any scheduler; the readout is in plain units again.

    The numbers are worked out on the processor, so that they are the same on every device.

    Raises:
        ConversionError: if a sum could overflow, or a node cannot compute in whole numbers; the message names it.
    """
    if plan.code.beta != 2:
        raise ConversionError(f"int8 shifts membranes, and so needs beta = 2; the code has {plan.code.beta:g}")
    if plan.bias != "first":
        raise ConversionError("int8 adds a bias as one whole number: convert with Settings(bias='first')")
    for fraction, bits in product(FRACTION_BITS, INPUT_BITS):
        try:
            return replace(plan, graph=_lowered(plan.graph, bits, fraction), spikes=torch.int8)
        except _TooLarge as error:
            reason = error
    raise ConversionError(
        f"{reason}, beyond the {LARGEST_CURRENT:.3g} that an integer network holds: split the layer, or use bf16"
    )


def _lowered(graph: Graph, bits: int, fraction: int) -> Graph:
    device = prototype(graph).device
    lowering = _Lowering(graph.map_tensors(Tensor.cpu), bits, fraction)
    for node in lowering.graph.nodes:
        lowering.lower(node)
    outputs = tuple(lowering.readout(name) for name in graph.outputs)
    whole = replace(graph, nodes=tuple(lowering.nodes), outputs=outputs).map_tensors(lambda t: t.to(device))
    nodes = [pack(node) if node.weighted and node.inputs[0] in lowering.ternary else node for node in whole.nodes]
    return replace(whole, nodes=tuple(nodes))


@dataclass
class _Lowering:
    graph: Graph
    bits: int
    fraction: int
    nodes: list[Node] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    grids: dict[str, Tensor] = field(default_factory=dict)
    bounds: dict[str, float] = field(default_factory=dict)
    ternary: set[str] = field(default_factory=set)
    plain: dict[str, Node] = field(default_factory=dict)
    means: dict[str, Tensor] = field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {node.name: node.shape for node in self.nodes}

    def lower(self, node: Node) -> None:
        node = replace(node, inputs=tuple(self.names[name] for name in node.inputs))
        if node.kind == "input":
            self.lower_input(node)
        elif node.neurons is not None:
            self.lower_population(node)
        elif node.alone:
            raise _impossible(node, "it works on each sample by itself")
        elif node.is_scale and node.inputs[0] not in self.ternary:
            self.lower_unit(node)
        elif node.scaling == "weighs":
            self.lower_weights(node)
        elif node.scaling == "sums":
            self.lower_sum(node)
        elif node.scaling == "moves":
            self.lower_move(node)
        elif node.kind == "synapse" and node.scaling == "pools":
            self.lower_pool(node)
        elif node.scaling == "pools" and node.inputs[0] in self.ternary:
            self.put(node, torch.ones(()), 1.0)
            self.ternary.add(node.name)
        else:
            raise _impossible(node, "it computes in floating point")

    def put(self, node: Node, grid: Tensor, bound: float) -> None:
        if bound > LARGEST_CURRENT:
            raise _TooLarge(node, bound)
        self.nodes.append(node)
        self.grids[node.name], self.bounds[node.name] = compress(grid), bound
        self.names[node.name] = node.name

    def lower_input(self, node: Node) -> None:
        largest, levels = float(node.arguments.get("largest", 0)), float(2**self.bits - 1)
        if not largest:
            raise ConversionError(
                f"the range of the input {node.name} is not known: int8 needs a network of real inputs that this "
                "version converted"
            )
        clip = {"self": Slot(0), "min": -largest, "max": largest}
        clipped = Node(f"{node.name}.clip", "function unit", "aten.clamp.default", (node.name,), node.shape, clip)
        self.nodes += [node, clipped]
        factor = torch.tensor(levels / largest)
        self.put(rounding_scale(f"{node.name}.whole", clipped, factor), factor, levels)
        self.names[node.name] = self.nodes[-1].name

    def lower_population(self, node: Node) -> None:
        grid = self.grids[node.inputs[0]].round().clamp(min=1)
        whole = {"start": (node.tensors["start"] * grid).round()} if "start" in node.tensors else {}
        self.put(node.with_tensors(threshold=grid, **whole), torch.ones(()), 1.0)
        if "mean" in node.tensors:
            self.means[node.name] = node.tensors["mean"]
        self.ternary.add(node.name)

    def lower_weights(self, node: Node) -> None:
        source = node.inputs[0]
        plain = scale_input(node, 1 / self.grids[source])
        if plain is None:
            raise _impossible(node, "its inputs lie on grids of their own")
        self.plain[node.name] = plain
        finest, room = finest_grid(plain), LARGEST_THRESHOLD / 2 ** self.graph.silent[1]
        if self.bits > INPUT_BITS[-1] and source not in self.ternary and float(finest.median()) > room:
            raise _TooLarge(node, LARGEST_WEIGHT * self.bounds[source])
        below = 2**self.fraction if source in self.ternary else 1
        self.put(*self.quantised(plain, (finest * below).clamp(1, room)))

    def quantised(self, plain: Node, grid: Tensor) -> tuple[Node, Tensor, float]:
        """Return a node with its weights on a grid, the grid, and what its sums can reach."""
        scaled = scale_output(plain, grid)
        if scaled is None:
            raise _impossible(plain, "its outputs would lie on grids of their own")
        weight = scaled.tensors["weight"]
        unit = weight_unit(scaled)
        whole = scaled.with_tensors(weight=(weight / unit).round() * unit)
        shift = self.mean_shift(whole, whole.tensors["weight"] - weight)
        bias = (whole.tensors.get("bias", torch.zeros(())) - shift).round()
        whole = whole.with_tensors(bias=bias) if "bias" in whole.tensors else whole
        return whole, grid, largest_sum(whole, self.bounds[plain.inputs[0]])

    def mean_shift(self, node: Node, rounding: Tensor) -> Tensor:
        """Return what the rounding of weights adds to the sums of each channel, on average over the calibration."""
        mean = self.means.get(node.inputs[0])
        if mean is None or "bias" not in node.tensors:
            return torch.zeros(())
        shape, bias = self.shapes[node.inputs[0]], node.tensors["bias"]
        sums = apply(node.with_tensors(weight=rounding), [mean.expand(1, *shape).contiguous()], 1)[0]
        kept = padded(bias, len(node.shape)).shape
        axes = [axis for axis, size in enumerate(kept) if size == 1 and node.shape[axis] > 1]
        return (sums.mean(axes, keepdim=True) if axes else sums).reshape(bias.shape)

    def lower_unit(self, node: Node) -> None:
        """Scale a current: the numbers stay, and the grid takes the scale up."""
        weight, grid = node.tensors["weight"], self.grids[node.inputs[0]]
        grid = torch.where(weight == 0, grid, grid / weight.abs())
        whole = {"bias": (node.tensors["bias"] * grid).round()} if "bias" in node.tensors else {}
        extra = float(whole["bias"].abs().max()) if whole else 0.0
        self.put(node.with_tensors(weight=weight.sign(), **whole), grid, self.bounds[node.inputs[0]] + extra)

    def lower_sum(self, node: Node) -> None:
        if node.arguments.get("alpha", 1) != 1:
            raise _impossible(node, "it scales one of its terms (alpha)")
        leading = [name for name in node.inputs if name in self.plain and self.plain[name].weighted] or node.inputs
        grid = self.grids[leading[0]]
        for name in leading[1:]:
            grid = torch.maximum(grid, self.grids[name])
        inputs = tuple(self.on_grid(name, grid, node.name) for name in node.inputs)
        self.put(replace(node, inputs=inputs), grid, sum(self.bounds[name] for name in inputs))

    def on_grid(self, name: str, grid: Tensor, reader: str) -> str:
        """Return the name of a node that holds the stream of this one on another grid."""
        if bool((self.grids[name] == grid).all()):
            return name
        if name in self.plain and len(self.graph.consumers[name]) == 1 and name not in self.graph.outputs:
            place = next(i for i, node in enumerate(self.nodes) if node.name == name)
            self.put(*self.quantised(self.plain[name], grid))
            self.nodes[place] = self.nodes.pop()
            return name
        node = next(node for node in self.nodes if node.name == name)
        factor = grid / self.grids[name]
        moved = rounding_scale(f"{name}.on.{reader}", node, factor)
        self.put(moved, grid, self.bounds[name] * float(factor.max()))
        return moved.name

    def lower_move(self, node: Node) -> None:
        grids = [self.grids[name] for name in node.inputs]
        if all(bool((grid == grids[0].flatten()[0]).all()) for grid in grids):
            grid = grids[0].flatten()[0]
        else:
            shapes = [self.shapes[name] for name in node.inputs]
            whole = [g.expand(shape).unsqueeze(0).contiguous() for g, shape in zip(grids, shapes, strict=True)]
            moved = apply(node, whole, 1)[0]
            grid = torch.where(moved == 0, 1, moved)  # padding: zero on any grid
        self.put(node, grid, max(self.bounds[name] for name in node.inputs))
        if all(name in self.ternary for name in node.inputs):
            self.ternary.add(node.name)

    def lower_pool(self, node: Node) -> None:
        source = node.inputs[0]
        count, grid = averaged(node, self.shapes[source]), self.grids[source]
        if count is None or (grid.numel() > 1 and grid.numel() != grid.shape[0]):
            raise _impossible(node, "its averages are over unequal numbers")
        spread = grid.reshape(-1, *[1] * (len(node.shape) - 1)) if grid.numel() > 1 else grid
        self.nodes.append(node)
        whole = rounding_scale(f"{node.name}.whole", node, torch.tensor(float(count)))
        self.put(whole, spread * count, self.bounds[source] * count)
        self.names[node.name] = whole.name

    def readout(self, name: str) -> str:
        """Return the name of a node that holds an output in plain units."""
        name = self.names[name]
        if bool((self.grids[name] == 1).all()):
            return name
        node = next(node for node in self.nodes if node.name == name)
        plain = rounding_scale(f"{name}.readout", node, 1 / self.grids[name])
        self.nodes.append(replace(plain, rounds=False))
        return plain.name


def _impossible(node: Node, why: str) -> ConversionError:
    return ConversionError(
        f"{node.name} ({node.operator}, {list(node.shape)}) cannot be computed in whole numbers: {why}; "
        "use bf16 or fp32"
    )
