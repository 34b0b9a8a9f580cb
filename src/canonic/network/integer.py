"""A network of whole numbers: int8 weights, spikes of -L to L, integer currents, membranes and thresholds.

A stream holds whole numbers on a grid G, a tensor that broadcasts against one sample: the value is the number / G.
Spikes lie on the grid 1. A matrix that spikes go through gets, for output channel c,

    q = round(W G / 2^e) 2^e,   |q / 2^e| <= 127,       G_c = 2^f floor(127 / max |W_c|)

with the channel's finest weights, so that e = f but where weights of other sizes add to the same sum. The f bits below
the weights are for biases and for the scales of shortcuts. What the rounding of weights adds to a sum on average,
(q / G - W) E[x], is taken off the bias. A population that reads a stream on the grid G has the whole threshold G:
nothing else changes, as 1 in units of theta is G in units of the grid. Averages over n elements are sums on the grid
n G. Only the answer is divided by its grid at the end.
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from canonic.errors import ConversionError
from canonic.network.apply import apply
from canonic.network.draft import LARGEST_CURRENT, TooLarge, impossible
from canonic.network.functions import Functions
from canonic.network.graph import Graph, Node, Population, Slot
from canonic.network.grids import averaged, rounding_scale
from canonic.network.inputs import as_weights, fed_numbers, prototype
from canonic.network.kernels import pack
from canonic.network.matrices import FINE, INPUTS, only_matrices_read, roomy
from canonic.network.plan import Plan
from canonic.network.traits import CLIP
from canonic.network.weights import compress, padded
from canonic.network.whole import in_whole_units, start_of


def to_integers(plan: Plan) -> Plan:
    """Return the plan in whole numbers, for any scheduler; the readout is in plain units again.

    The numbers are worked out on the processor, so that they are the same on every device.

    Raises:
        ConversionError: if a sum could overflow, or a node cannot compute in whole numbers; the message names it.
    """
    plan = in_whole_units(plan)
    if plan.bias != "first":
        raise ConversionError("int8 adds a bias as one whole number: convert with Settings(bias='first')")
    for bits, headroom in INPUTS:
        try:
            return replace(plan, graph=_lowered(plan.graph, bits, headroom), spikes=torch.int8)
        except TooLarge as error:
            reason = error
    fewer = "take fewer levels, " if plan.graph.levels[1] > 1 else ""
    raise ConversionError(f"{reason} that an integer network holds: {fewer}split the layer, or use bf16")


def _lowered(graph: Graph, bits: int, headroom: int) -> Graph:
    like = prototype(graph)
    lowering = _Lowering(graph.map_tensors(Tensor.cpu), bits, headroom, fed_numbers(graph))
    for node in lowering.graph.nodes:
        lowering.lower(node)
    outputs = tuple(lowering.in_plain_units(lowering.names[name], "readout") for name in graph.outputs)
    whole = replace(graph, nodes=tuple(lowering.nodes), outputs=outputs).map_tensors(lambda t: as_weights(t, like))
    shapes, spikes = lowering.shapes, lowering.spikes
    nodes = [
        pack(n, shapes[n.inputs[0]], int(lowering.bound(n.inputs[0]))) if n.weighted and n.inputs[0] in spikes else n
        for n in whole.nodes
    ]
    return replace(whole, nodes=tuple(nodes))


class _Lowering(Functions):
    def lower(self, node: Node) -> None:
        node = replace(node, inputs=tuple(self.names[name] for name in node.inputs))
        if node.kind == "input":
            self.lower_input(node)
        elif isinstance(node, Population):
            self.lower_population(node)
        elif node.kind == "function unit" and not self.passes_maxima(node):
            self.lower_function(node)
        elif _joins(node):
            self.lower_move(node)
        elif node.alone and node.scaling != "moves":
            raise impossible(node, "it works on each sample by itself")
        elif node.is_scale and node.inputs[0] not in self.spikes:
            self.lower_unit(node)
        elif node.is_scale and only_matrices_read(self.graph, node.name):
            self.lower_spikes(node)
        elif node.scaling == "weighs":
            self.lower_weights(node)
        elif node.scaling == "sums":
            self.lower_sum(node)
        elif node.scaling == "moves":
            self.lower_move(node)
        elif node.kind == "synapse" and node.scaling == "pools":
            self.lower_pool(node)
        elif self.passes_maxima(node):
            self.put(node, self.grids[node.inputs[0]], self.bound(node.inputs[0]))
            self.spikes.add(node.name)
        else:
            raise impossible(node, "this operator is not written for them")

    def passes_maxima(self, node: Node) -> bool:
        """Whether a node takes the largest of spikes, which is one of them."""
        return node.scaling == "pools" and node.kind == "function unit" and node.inputs[0] in self.spikes

    def lower_input(self, node: Node) -> None:
        largest, levels = float(node.arguments.get("largest", 0)), float(2**self.bits - 1)
        if not largest:
            raise ConversionError(
                f"the range of the input {node.name} is not known: int8 needs a network of real inputs that this "
                "version converted"
            )
        clip = {"self": Slot(0), "min": -largest * self.headroom, "max": largest * self.headroom}
        clipped = Node(f"{node.name}.clip", "function unit", CLIP, (node.name,), node.shape, clip)
        self.nodes += [node, clipped]
        factor = torch.tensor(levels / largest)
        self.put(rounding_scale(f"{node.name}.whole", clipped, factor), factor, levels * self.headroom)
        self.names[node.name] = self.nodes[-1].name

    def lower_population(self, node: Population) -> None:
        code = node.neurons.code
        largest = float(code.alphabet.magnitudes[0]) if code else 1.0
        grid = self.grids[node.inputs[0]].round().clamp(min=1)
        begin = start_of(node)
        whole = {} if begin is None else {"start": (begin * grid).round()}
        self.put(node.with_tensors(threshold=grid, **whole), torch.ones(()), largest)
        self.spikes.add(node.name)

    def lower_sum(self, node: Node) -> None:
        if node.arguments.get("alpha", 1) != 1:
            raise impossible(node, "it scales one of its terms (alpha)")
        leading = [name for name in node.inputs if name in self.plain and self.plain[name].weighted] or node.inputs
        grid = self.grids[leading[0]]
        for name in leading[1:]:
            grid = torch.maximum(grid, self.grids[name])
        if any(bool((grid % self.grids[name] != 0).any()) for name in node.inputs):
            grid = grid * self.fitting(node, grid)
        grid = roomy(partial(self.reach, node), grid, 1.0)
        reach = self.reach(node, grid)
        inputs = tuple(self.on_grid(name, grid, node.name) for name in node.inputs)
        self.put(replace(node, inputs=inputs), grid, reach)

    def reach(self, node: Node, grid: Tensor) -> Tensor:
        """Return what each output of a sum could reach on another grid."""
        reached = torch.zeros(())
        for name in node.inputs:
            own = self.requantised(name)
            sums = self.quantised(self.plain[name], grid)[2] if own else self.reaches[name] * grid / self.grids[name]
            reached = reached + padded(sums, len(node.shape))
        return reached

    def on_grid(self, name: str, grid: Tensor, reader: str) -> str:
        """Return the name of a node that holds the stream of this one on another grid."""
        if bool((self.grids[name] == grid).all()):
            return name
        if self.requantised(name):
            place = next(i for i, node in enumerate(self.nodes) if node.name == name)
            self.put_weights(self.plain[name], grid)
            self.nodes[place] = self.nodes.pop()
            return name
        return self.moved(name, grid, reader)

    def moved(self, name: str, grid: Tensor, reader: str) -> str:
        """Add a node that multiplies a stream, and return its name."""
        moved = f"{name}.on.{reader}"
        if moved not in self.grids:  # a sum may read one stream twice
            factor = grid / self.grids[name]
            node = rounding_scale(moved, self.named(name), factor)
            self.put(node, grid, self.reaches[name] * factor)
        return moved

    def lower_move(self, node: Node) -> None:
        if not self.spikes.issuperset(node.inputs) and (len(node.inputs) > 1 or not _joins(node)):
            node = replace(node, inputs=self.aligned(node))
        grids = [self.grids[name] for name in node.inputs]
        same = all(bool((grid == grids[0].flatten()[0]).all()) for grid in grids)
        grid = grids[0].flatten()[0] if same else self.arranged(node, grids)
        reach = self.arranged(node, [self.reaches[name] for name in node.inputs])
        if "bias" in node.tensors:
            node = node.with_tensors(bias=(node.tensors["bias"] * grid).round())
            reach = reach + node.tensors["bias"].abs()
        self.put(node, grid, reach, self.most(node.name))
        if "bias" not in node.tensors and all(name in self.spikes for name in node.inputs):
            self.spikes.add(node.name)

    def arranged(self, node: Node, given: list[Tensor]) -> Tensor:
        """Return what belongs to the elements of a node that moves those of its inputs; any number where it puts 0."""
        shapes = [self.shapes[name] for name in node.inputs]
        whole = [one.expand(shape).unsqueeze(0).contiguous() for one, shape in zip(given, shapes, strict=True)]
        moved = apply(node, whole, 1)[0]
        return compress(moved, moved != 0) if _joins(node) else torch.where(moved == 0, 1, moved)

    def aligned(self, node: Node) -> tuple[str, ...]:
        """Return the names of what a node joins, with coarse numbers multiplied by whole ones, to be as fine as others.

        One matrix may read them all, and has one unit for its weights. Spikes are multiplied even by 1, so as to leave
        their 8 bits: an operator that writes numbers among them would keep to those.
        """
        finest = max(float(self.grids[name].max()) for name in node.inputs)

        def near(name: str) -> str:
            grid = self.grids[name]
            most = LARGEST_CURRENT / max(self.bound(name), 1)
            factor = torch.where(grid < FINE, (finest / grid).floor().clamp(1, most), 1)
            change = self.moved if name in self.spikes else self.on_grid
            return change(name, grid * factor, node.name)

        return tuple(near(name) for name in node.inputs)

    def lower_pool(self, node: Node) -> None:
        source = node.inputs[0]
        count, grid = averaged(node, self.shapes[source]), self.grids[source]
        if count is None:
            raise impossible(node, "its averages are over unequal numbers")
        if grid.numel() > 1 and grid.numel() != grid.shape[0]:
            raise impossible(node, "its inputs lie on grids of their own")
        spread = grid.reshape(-1, *[1] * (len(node.shape) - 1)) if grid.numel() > 1 else grid
        self.nodes.append(node)
        factor = count * self.coarser(node, spread * count)
        whole = rounding_scale(f"{node.name}.whole", node, factor)
        self.put(whole, spread * factor, self.bound(source) * factor)
        self.names[node.name] = whole.name


def _joins(node: Node) -> bool:
    """Whether a node puts streams beside constants that are 0 but for its bias, as a token before others."""
    constants = (tensor for name, tensor in node.tensors.items() if name != "bias")
    return node.kind == "structure" and node.scaling == "mixes" and not any(bool(t.any()) for t in constants)
