"""Matrices and scales of an integer network: the grids of their weights."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from math import ceil, inf, log2

import torch
from torch import Tensor

from canonic.network.apply import apply
from canonic.network.carried import is_function
from canonic.network.draft import LARGEST_ANSWER, LARGEST_CURRENT, Draft, TooLarge, impossible, largest_threshold
from canonic.network.graph import Graph, Node, Population
from canonic.network.grids import (
    LARGEST_WEIGHT,
    clipped,
    finest_grid,
    largest_on,
    largest_sum,
    rounding_scale,
    sums_of,
    weight_unit,
    without_idle,
)
from canonic.network.weights import against_inputs, against_outputs, of_inputs, padded, scale_input, scale_output

INPUTS = ((11, 2), (11, 1), (10, 1), (9, 1), (8, 1), (7, 1))
"""Bits of the largest input of the calibration, beside its sign, and how much larger others may be before they are
clipped: the first that sums and thresholds leave room for."""
FRACTION = 2**4
"""So many times finer than the weights of an output are its grids, where its sums leave room for them."""
SHIFT_BITS = 8
"""Bits of a spike whose scale is left to those that read it, where a shift is added to it."""
STARVED = 4
"""So many times coarser may grids be for want of room: int8 weights then have five bits, and the sign."""
COARSENED = 12
"""So many bits are numbers that a matrix reads made coarser at most."""
TOO_SILENT = "the silent steps behind it leave too few bits for {}: take fewer of them"
FINE = 256
"""A grid at least as fine rounds thresholds and biases by less than int8 rounds weights."""


class Matrices(Draft):
    """Lowers what has weights."""

    def lower_spikes(self, node: Node) -> None:
        """Scale spikes and shift them: they stay, and the grid takes the scale up, which matrices absorb."""
        plain = self.plain_weights(node)
        weight, bias = plain.tensors["weight"], plain.tensors.get("bias")
        size = weight.abs() if bias is None else weight.abs().maximum(bias.abs() / 8)
        grid = (1.0 if bias is None else 2.0**SHIFT_BITS) / torch.where(size > 0, size, 1)
        whole = node.with_tensors(weight=(weight * grid).round())
        bound = whole.tensors["weight"].abs() * self.bound(node.inputs[0])
        if bias is not None:
            whole = whole.with_tensors(bias=(bias * grid).round())
            bound = bound + whole.tensors["bias"].abs()
        self.put(whole, grid, float(bound.max()))
        if bias is None:
            self.spikes.add(node.name)

    def lower_weights(self, node: Node) -> None:
        """Put the weights of a matrix or of a scale of spikes on the finest grid that there is room for."""
        node = self.with_room(node) if node.weighted else node
        source, plain = node.inputs[0], self.plain_weights(node)
        self.plain[node.name] = plain
        finest, coded, room = self.finest(plain), source in self.spikes, self.room(node.name)
        if self.bits > INPUTS[-1][0] and not coded and source in self.analog and float(finest.median()) > room:
            raise TooLarge(node, LARGEST_WEIGHT * self.bound(source), LARGEST_CURRENT)
        if float(finest.median()) > STARVED * room:
            raise impossible(node, TOO_SILENT.format("its weights"))
        grid = (finest * (FRACTION if coded else 1)).clamp(1, room)
        if coded:
            least, most = (finest / STARVED).clamp(1, room), self.most(node.name)
            grid = roomy(lambda tried: self.quantised(plain, tried)[2], grid, least, most)
        self.put_weights(plain, grid)

    def finest(self, plain: Node) -> Tensor:
        """Return the finest grid of a node with plain weights."""
        return finest_grid(plain, answers=_answers(self.graph, plain.name))

    def room(self, name: str) -> float:
        """The largest threshold of the populations that a node feeds; infinite if it feeds none."""
        fed = [node.neurons.css for node in populations_behind(self.graph, name)]
        return min((largest_threshold(code) for code in fed if code), default=inf)

    def plain_weights(self, node: Node) -> Node:
        """Return a matrix or a scale of whole numbers with weights that give plain numbers."""
        source = node.inputs[0]
        plain, power = scale_input(node, 1 / self.grids[source]), self.powers.get(source)
        if plain is None:
            raise impossible(node, "its inputs lie on grids of their own")
        if power is None:
            return plain
        if node.is_scale:
            return without_idle(plain, power)
        return clipped(plain, against_inputs(node, of_inputs(node, power, self.shapes[source])))

    def with_room(self, node: Node) -> Node:
        """Return a matrix that reads coarser numbers, where its sums or thresholds could not hold those that there are.

        Those of an input are made coarser where they come in.
        """
        name = node.inputs[0]
        if name in self.spikes or name in self.analog:
            return node
        plain, bound = self.plain_weights(node), self.bound(name)
        excess = max(1.0, min(float(self.finest(plain).median()) / self.room(node.name), bound / LARGEST_WEIGHT))
        begin = ceil(log2(excess))
        factors = [2.0**-bits for bits in range(begin, begin + COARSENED)]
        factor = next((f for f in factors if self.reached(plain, f) <= self.most(node.name)), factors[-1])
        if factor == 1:
            return node
        coarse = rounding_scale(f"{name}.for.{node.name}", self.named(name), torch.tensor(factor))
        self.put(coarse, self.grids[name] * factor, bound * factor)
        return replace(node, inputs=(coarse.name,))

    def reached(self, plain: Node, factor: float) -> float:
        """Return what the sums of a matrix could reach if its numbers were made coarser by a factor."""
        scaled = scale_input(plain, torch.tensor(1 / factor))
        if scaled is None or scale_output(scaled, finest := self.finest(scaled)) is None:
            return 0.0  # refused by what quantises
        whole = self.quantised(scaled, finest.clamp(1, self.room(plain.name)))[0]
        return largest_sum(whole, self.bound(plain.inputs[0]) * factor)

    def most(self, name: str) -> float:
        """What the sums of a node may reach."""
        return LARGEST_ANSWER if _answers(self.graph, name) else LARGEST_CURRENT

    def put_weights(self, plain: Node, grid: Tensor) -> None:
        """Add a node with its weights on a grid."""
        whole, grid, sums = self.quantised(plain, grid)
        self.put(whole, grid, sums, self.most(plain.name))

    def quantised(self, plain: Node, grid: Tensor) -> tuple[Node, Tensor, Tensor]:
        """Return a node with its weights on a grid, the grid, and what the sums of each output can reach."""
        scaled = scale_output(plain, grid)
        if scaled is None:
            raise impossible(plain, "its outputs would lie on grids of their own")
        weight = scaled.tensors["weight"]
        unit = against_outputs(scaled, weight_unit(scaled))
        whole = scaled.with_tensors(weight=(weight / unit).round() * unit)
        shift = self.mean_shift(whole, whole.tensors["weight"] - weight)
        bias = (whole.tensors.get("bias", torch.zeros(())) - shift).round()
        whole = whole.with_tensors(bias=bias) if "bias" in whole.tensors else whole
        return whole, grid, sums_of(whole, self.bound(plain.inputs[0]))

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
        """Scale a current: the grid takes the scale up. The numbers stay, or are multiplied by powers of two."""
        source, weight = node.inputs[0], node.tensors["weight"]
        grid = torch.where(weight == 0, self.grids[source], self.grids[source] / weight.abs())
        coarse = source in self.analog and not populations_behind(self.graph, node.name)  # as coarse as it comes
        reach = self.reaches[source] + node.tensors.get("bias", torch.zeros(())).abs() * grid
        factor = self.coarser(node, grid) if coarse else self.fitting(node, grid)
        factor = torch.minimum(factor, torch.exp2((LARGEST_CURRENT / reach.clamp(min=1)).log2().floor()))
        grid = grid * factor
        whole = {"bias": (node.tensors["bias"] * grid).round()} if "bias" in node.tensors else {}
        scaled = replace(node.with_tensors(weight=weight.sign() * factor, **whole), rounds=bool((factor < 1).any()))
        self.put(scaled, grid, reach * factor)

    def fitting(self, node: Node, grid: Tensor) -> Tensor:
        """Return the powers of two that make the grid of a stream fine, or what fits it to the thresholds behind."""
        finer = torch.exp2((FINE / grid).log2().ceil().clamp(min=0))
        return finer * self.coarser(node, grid * finer)

    def coarser(self, node: Node, grid: Tensor) -> Tensor:
        """Return what makes the grid of a stream coarse enough for the thresholds behind it: 1 where it is."""
        room = self.room(node.name)
        factor = (room / grid).clamp(max=1)
        if room < FINE and bool((factor < 1).any()):
            raise impossible(node, TOO_SILENT.format("thresholds"))
        return factor


def roomy(
    sums: Callable[[Tensor], Tensor], grid: Tensor, least: Tensor | float, most: float = LARGEST_CURRENT
) -> Tensor:
    """Return a grid that is made coarser, down to the least, for those outputs whose sums do not fit.

    Args:
        sums: what they can reach, as a function of the grid.
        grid: the finest that may be.
        least: the coarsest.
        most: what fits.
    """
    least = torch.as_tensor(least)
    while bool((tight := (largest_on(sums(grid), grid.shape) > most) & (grid > least)).any()):
        grid = torch.where(tight, torch.maximum(grid / 4, least), grid)
    return grid


def only_matrices_read(graph: Graph, name: str) -> bool:
    """Whether all that read a stream, maybe moved or pooled, absorb scales in their weights."""
    readers = graph.consumers[name]
    return name not in graph.outputs and all(
        reader.weighted
        or (reader.scaling in ("moves", "pools") and not reader.alone and only_matrices_read(graph, reader.name))
        for reader in readers
    )


def populations_behind(graph: Graph, name: str) -> list[Population]:
    """Return the populations that a stream reaches as it is, or moved, scaled, added up or the largest of several."""
    readers = graph.consumers[name]
    near = [reader for reader in readers if isinstance(reader, Population)]
    passing = (r for r in readers if not (isinstance(r, Population) or r.weighted or is_function(r)))
    return [*near, *chain.from_iterable(populations_behind(graph, reader.name) for reader in passing)]


def _answers(graph: Graph, name: str) -> bool:
    """Whether all that becomes of a stream are answers, maybe moved."""
    return all(
        reader.scaling == "moves" and len(reader.inputs) == 1 and _answers(graph, reader.name)
        for reader in graph.consumers[name]
    )
