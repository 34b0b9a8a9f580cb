"""Synaptic operations, exactly: every element that is not zero, at every digit, times its fan-out.

A spike makes additions (ACs); an analog number, such as the input or what an average pooling has summed, makes
multiplications (MACs). Where spikes differ in size additions are counted twice: as so many unary ones, and one a spike.
Streams that only move spikes are not looked at while the network runs: the counts of the populations are moved in their
place, once, at the end.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from canonic.measure.counts import Activity, Operations, merged
from canonic.measure.fanout import exact, fan_out
from canonic.network.apply import apply_whole, through
from canonic.network.carried import carried, moves, takes_maxima
from canonic.network.graph import TERM, UNIT, Graph, Neurons, Node, Population


@dataclass(frozen=True)
class Site:
    """One linear connection that costs operations.

    Attributes:
        node: the synapse.
        stream: the stream that it reads.
        additions: ACs that an event of each element makes.
        multiplications: MACs, likewise.
        framed: of these ACs those of frames, which are MACs where frames hold other numbers than -1, 0 and 1.
        dense: ACs, MACs and ACs of frames of a sample, over all its digits, were no number and no weight zero.
    """

    node: Node
    stream: str
    additions: Float[Tensor, " elements"]
    multiplications: Float[Tensor, " elements"]
    framed: Float[Tensor, " elements"]
    dense: tuple[int, int, int]

    def count(self, units: Float[Tensor, "..."], events: Float[Tensor, "..."], samples: int) -> Operations:
        """Return the operations of all samples, from the unary events of each element, and from its events."""
        unary, each = units.flatten(), events.flatten()
        sums = (unary @ self.additions, unary @ self.multiplications, each @ self.additions, unary @ self.framed)
        additions, products, as_events, framed = (round(float(made)) for made in sums)  # whole: in any order the same
        of_all, of_numbers, of_frames = (samples * of_one for of_one in self.dense)
        return Operations(additions, products, of_all, of_numbers, as_events, framed, of_frames)


def _site(
    node: Node,
    stream: str,
    fan: Float[Tensor, "..."],
    dense: Float[Tensor, "..."],
    products: Float[Tensor, "..."],
    framed: Float[Tensor, "..."],
) -> Site:
    """Return a connection.

    Args:
        node: the synapse.
        stream: the stream that it reads.
        fan: fan-out of each element.
        dense: operations of each element, over all digits of a sample, were it and no weight ever zero.
        products: whether an operation on each element is a MAC, 1, or an AC, 0.
        framed: whether it is an AC of frames.
    """
    kinds = (1 - products, products, framed)
    adds, multiplies, frames = ((fan * kind).flatten() for kind in kinds)
    of_all, of_numbers, of_frames = (round(float((dense * kind).sum())) for kind in kinds)
    return Site(node, stream, adds, multiplies, frames, (of_all, of_numbers, of_frames))


@dataclass(frozen=True)
class Account:
    """Where a network's operations arise.

    Attributes:
        graph: of the network.
        digits: of each number; 1 where it is computed once, None where populations have digits as their codes say.
        spiking: whether populations send spikes; else they pass on numbers, as in the source network.
    """

    graph: Graph
    digits: int | None = 1
    spiking: bool = False

    @cached_property
    def ruled(self) -> bool:
        """Whether populations move by a rule: a spike is then one event, whatever number it stands for."""
        return any(node.neurons.rule for node in self.graph.populations)

    @cached_property
    def spikes(self) -> frozenset[str]:
        """The streams that carry spikes, where frames hold nothing but -1, 0 and 1."""
        return self._spikes(events=True)

    @cached_property
    def sure(self) -> frozenset[str]:
        """The streams that carry spikes whatever frames hold."""
        return self._spikes(events=False)

    def _spikes(self, *, events: bool) -> frozenset[str]:
        found = carried(self.graph, events=events).items() if self.spiking else ()
        return frozenset(name for name, content in found if content == "spikes")

    @cached_property
    def lengths(self) -> Mapping[str, int]:
        """How many digits each stream has: one behind an input, up to the first population, where it is no sequence."""
        known: dict[str, int] = {}
        for node in self.graph.nodes:
            given = [known[name] for name in node.inputs] or [node.arguments.get("frames", 1)]
            known[node.name] = self._sent(node.neurons) if isinstance(node, Population) else max(given)
        return known

    def _sent(self, neurons: Neurons) -> int:
        own = neurons.code.steps if neurons.code else 1
        return own if self.digits is None else self.digits

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """All connections that cost operations."""
        return tuple(site for node in self.graph.nodes for site in self._sites(node))

    @cached_property
    def functions(self) -> Mapping[str, int]:
        """Multiplications of each function unit for one sample: those of its products, and one for each number."""
        units = [n for n in self.graph.nodes if n.kind == "function unit" and not takes_maxima(n)]
        return {node.name: self.lengths[node.name] * _multiplications(self.graph, node) for node in units}

    @cached_property
    def watched(self) -> frozenset[str]:
        """The streams whose elements must be counted while the network runs."""
        return frozenset(name for site in self.sites for name in self._roots(site.stream))

    def count(self, units: Activity, samples: int, graded: Activity | None = None) -> dict[str, Operations]:
        """Return the operations of each node, summed over samples, from the activity of the watched streams.

        Args:
            units: how often each element was not zero, an event of several units being as many unary ones.
            samples: how many.
            graded: how often, one an event, for the streams whose events differ in size.
        """
        found: dict[str, Operations] = {}
        moved: dict[str, Tensor] = {}
        events: dict[str, Tensor] = {}
        for site in self.sites:
            unary = self._moved(site.stream, units, moved)
            each = self._moved(site.stream, {**units, **graded}, events) if graded else unary
            cost = site.count(unary, each, samples)
            found[site.node.name] = merged(found[site.node.name], cost) if site.node.name in found else cost
        for name, products in self.functions.items():
            found[name] = Operations(0, products * samples, 0, products * samples)
        return found

    def _sites(self, node: Node) -> list[Site]:
        if isinstance(node, Population):
            return self._back(node)
        if not (node.kind == "synapse" or takes_maxima(node)) or moves(node) or self._is_free(node):
            return []
        sites = []
        for index, name in enumerate(node.inputs):
            if self._meets(node) and self._is_sum(name):
                continue
            dense = fan_out(self.graph, node, index, dense=True) * self.lengths[name]
            multiplies = "weight" in node.tensors and not _is_identity(node) and not _shifts(node)
            ternary, sure = (self._ternary(name, streams) for streams in (self.spikes, self.sure))
            products, framed = (1 - ternary) * multiplies, (ternary - sure) * multiplies
            sites.append(_site(node, name, fan_out(self.graph, node, index), dense, products, framed))
        return sites

    def _back(self, node: Population) -> list[Site]:
        """Return the connection by which the spikes of a population come back to it."""
        if (weight := node.tensors.get("recurrent")) is None:
            return []
        fan, nothing = (weight != 0).sum(0).double().cpu().expand(node.shape), torch.zeros((), dtype=torch.float64)
        dense = torch.full_like(fan, len(weight) * self.lengths[node.name])
        return [_site(node, node.name, fan, dense, nothing, nothing)]

    def _meets(self, node: Node) -> bool:
        """Tell whether what a node adds goes on into one membrane or readout, where it is added anyway."""
        onward = (
            isinstance(reader, Population) or reader.scaling == "sums" for reader in self.graph.consumers[node.name]
        )
        return _is_identity(node) or (node.scaling == "sums" and all(onward))

    def _is_sum(self, name: str) -> bool:
        """Tell whether a stream is what synapses make, moved perhaps: sums on their way into a membrane."""
        node = self.graph[name]
        if moves(node) or takes_maxima(node):
            return all(self._is_sum(source) for source in node.inputs)
        return node.kind == "synapse" and "looks up" not in node.traits

    def _ternary(self, name: str, spikes: Container[str]) -> Float[Tensor, "..."]:
        """Return 1 for each element of a stream that carries spikes, and 0 for each that carries numbers."""
        node = self.graph[name]
        if moves(node):
            return through(node, [self._ternary(source, spikes) for source in node.inputs]).double().abs()
        return torch.full(node.shape, float(name in spikes), dtype=torch.float64)

    def _is_free(self, node: Node) -> bool:
        """Tell whether a node looks numbers up, or is none of the source network, whose operations are counted.

        That multiplies a sum once; of numbers that are not zero those of the first term are counted.
        """
        added = not self.spiking and node.origin.operator in (UNIT, TERM)
        return added or "looks up" in node.traits

    def _roots(self, name: str) -> list[str]:
        node = self.graph[name]
        return [root for source in node.inputs for root in self._roots(source)] if moves(node) else [name]

    def _moved(self, name: str, activity: Activity, known: dict[str, Tensor]) -> Tensor:
        """Return the activity of a stream from that of the streams whose elements it moves."""
        node = self.graph[name]
        if name not in known:
            if moves(node):
                moved = through(node, [self._moved(source, activity, known) for source in node.inputs])
                known[name] = moved.double().abs()
            else:
                known[name] = activity[name].double().cpu()
        return known[name]


def _is_identity(node: Node) -> bool:
    return node.is_scale and bool((node.tensors["weight"] == 1).all())


def _shifts(node: Node) -> bool:
    """Tell whether a node of an integer network only rounds after a shift: all its factors are powers of two."""
    return node.rounds and bool((node.tensors["weight"].abs().log2() % 1 == 0).all())


def _multiplications(graph: Graph, node: Node) -> int:
    given = [exact(graph).new_zeros(1, *graph[name].shape) for name in node.inputs]
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # others hide their products
        apply_whole(node, given, 1)
    return int(counter.get_total_flops()) // 2 + node.size
