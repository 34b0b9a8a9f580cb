"""Where digits of unlike codes meet, or are read by populations of another code (hybrid codes, arXiv 2305.16594).

Between like codes digits flow on. A population that reads digits of another code waits for all of them, adds them up
with the weights of their sender, and starts its own behind the last. Streams of unlike codes that meet in one node, a
sum or a concatenation, are coded in that of the most steps first.
"""

from dataclasses import dataclass, field, replace

from canonic.codes import EITHER_SIGN, Weighted
from canonic.conversion.functions import computed
from canonic.conversion.recode import signed_population
from canonic.conversion.units import free
from canonic.errors import ConversionError
from canonic.network.carried import carried
from canonic.network.graph import Graph, Neurons, Node, Population


def alike(one: Weighted, other: Weighted) -> bool:
    """Tell whether digits of one code stand for the same as those of the other.

    >>> from canonic.codes import CSS, named
    >>> alike(CSS(8, 1), CSS(8, 2, levels=2)), alike(CSS(8), named("rate", steps=8))
    (True, False)
    """
    return (one.weights, one.norms) == (other.weights, other.norms)


def joined(graph: Graph) -> Graph:
    """Return a graph whose populations have codes with what unlike codes need between them.

    Raises:
        ConversionError: if streams of unlike codes meet of which one carries numbers of either sign, and its new code
            has no negative event.
    """
    joining = _Joining(graph, {name for name, content in carried(graph).items() if content == "spikes"})
    for node in graph.nodes:
        joining.visit(node)
    return replace(graph, nodes=tuple(joining.nodes.values()))


@dataclass
class _Joining:
    """The graph so far, and the code of each stream; those that come whole have none."""

    graph: Graph
    spikes: set[str]
    nodes: dict[str, Node] = field(default_factory=dict)
    codes: dict[str, Weighted] = field(default_factory=dict)
    positive: set[str] = field(default_factory=set)

    def visit(self, node: Node) -> None:
        if isinstance(node, Population) and node.neurons.code is not None:
            self.put(_waiting(node, self.codes.get(node.inputs[0])), node.neurons.code)
            return
        common = self.common(node)
        if common is not None:
            node = replace(node, inputs=tuple(self.in_code(name, common) for name in node.inputs))
        self.put(node, common)

    def put(self, node: Node, code: Weighted | None) -> None:
        self.nodes[node.name] = node
        if code is not None:
            self.codes[node.name] = code
        if isinstance(node, Population):
            positive = not node.neurons.signed
        else:
            moved = node.name in self.spikes and not node.tensors
            positive = moved and self.positive.issuperset(node.inputs)
        if positive:
            self.positive.add(node.name)

    def common(self, node: Node) -> Weighted | None:
        """Return the code in which a node reads its streams: that of the most steps which can carry all of them."""
        given = {name: self.codes[name] for name in node.inputs if name in self.codes}
        for code in sorted(given.values(), key=lambda code: -code.steps):
            other = [name for name, own in given.items() if not alike(own, code)]
            carries = code.alphabet.signed or self.positive.issuperset(other)
            if not other or (carries and not computed(code)):
                return code
        if given:
            streams = " and ".join(f"{name} in the code {code.name}" for name, code in given.items())
            raise ConversionError(
                f"{node.name} reads {streams}, and none of these has a negative event to carry the other with: give "
                f"all the same code, or one of them {EITHER_SIGN}"
            )
        return None

    def in_code(self, name: str, code: Weighted) -> str:
        """Return the name of a stream that carries the numbers of this one in a code."""
        if name not in self.codes or alike(self.codes[name], code):
            return name
        signed = name not in self.positive
        population = replace(signed_population(self.nodes[name]), name=free(f"{name}.{code.name}", self.nodes))
        known = next((n for n in self.nodes.values() if _codes(n, name, code)), None)
        if known is None:
            neurons = Neurons(signed=signed, code=code)
            known = _waiting(replace(population, neurons=neurons), self.codes[name])
            self.put(known, code)
        return known.name


def _codes(node: Node, name: str, code: Weighted) -> bool:
    """Tell whether a population of ours codes this stream anew."""
    own = isinstance(node, Population) and node.neurons.code == code
    return own and node.inputs == (name,) and node.name.startswith(f"{name}.{code.name}")


def _waiting(node: Population, sender: Weighted | None) -> Population:
    """Return a population that waits for all digits of a sender, where that has another code."""
    neurons = node.neurons
    if neurons.encodes or sender is None or neurons.code is None or alike(sender, neurons.code):
        return node
    return replace(node, neurons=replace(neurons, waits=sender.steps))
