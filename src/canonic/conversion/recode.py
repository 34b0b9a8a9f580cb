"""What weights read: spikes, so that they only add.

Between a population and the next weights a model may scale, shift, add, move and pool. Scales are folded into the
weights that read them and shifts into their biases, through all that lets them pass; a sum of two streams is read term
by term. What is left gets a signed population in front of the weights, which codes it in spikes anew: currents of
weights and function units, sums of more streams, scales that weights cannot take up. The first layer may read the
analog input itself (``input="direct"``), and weights behind a pooling read averages, and multiply.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from canonic.conversion.forms import Form, Term, added, mapped, moved, parted, reading, same_within, scaled, stream
from canonic.conversion.units import free, passed
from canonic.network.carried import Content, content_of, moves, takes_maxima
from canonic.network.graph import TERM, Graph, Neurons, Node, Population, Slot
from canonic.network.inputs import as_weights, prototype
from canonic.network.traits import SCALE, SUM
from canonic.network.weights import absorb, compress, scale_arguments

TERMS = 2
"""So many streams of a sum at most are read one by one; a population for the sum of more costs less."""


def recode(graph: Graph) -> Graph:
    """Return the graph with all weights reading spikes, the input or averages."""
    like = prototype(graph)
    recoding = _Recoding(graph.map_tensors(Tensor.cpu))
    for node in recoding.graph.nodes:
        recoding.visit(node)
    return recoding.read().map_tensors(lambda tensor: as_weights(tensor, like))


def signed_population(source: Node) -> Population:
    """Return a population that codes the stream of a node."""
    name, neurons = f"{source.name}.spikes", Neurons(signed=True)
    return Population(name, (source.name,), source.shape, neurons=neurons, origin=source.origin)


@dataclass
class _Recoding:
    """The graph so far: every node as it was and, beside some, a twin on plain spikes for the weights behind it."""

    graph: Graph
    nodes: dict[str, Node] = field(default_factory=dict)
    content: dict[str, Content] = field(default_factory=dict)
    forms: dict[str, Form] = field(default_factory=dict)
    units: dict[str, Tensor] = field(default_factory=dict)
    twins: dict[str, str] = field(default_factory=dict)

    def visit(self, node: Node) -> None:
        if node.weighted:
            self.visit_weights(node)
            return
        self.put(node)
        form = self.form_of(node)
        if form is not None and len(form.terms) <= TERMS:
            self.forms[node.name] = form

    def put(self, node: Node) -> str:
        self.nodes[node.name], self.forms[node.name] = node, stream(node.name)
        self.content[node.name] = content_of(node, [self.content[name] for name in node.inputs])
        self.units[node.name] = self.unit_of(node)
        return node.name

    def unit_of(self, node: Node) -> Tensor:
        """Return an example of the units of a stream: another number for each population that it comes from."""
        if isinstance(node, Population):
            return torch.tensor(float(len(self.nodes)))
        if node.scaling not in ("moves", "pools"):
            return torch.ones(())
        found = passed(node, [self.units[n] for n in node.inputs], [self.nodes[n].shape for n in node.inputs])
        return torch.ones(()) if found is None else found

    def visit_weights(self, node: Node) -> None:
        """Let weights read the terms of a stream; where they cannot, a population that codes it, but for inputs."""
        name = node.inputs[0]
        form, given = self.forms[name], self.content[name] == "input"
        split = self.is_readable(form) and not (given and len(form.terms) > 1)
        parts = reading(node, form, self.nodes[name].shape) if split else None
        if parts is not None and all(map(self.takes_units, parts)):
            self.put_sum(node, parts)
        else:
            self.put(node if given else replace(node, inputs=(self.coded(name),)))

    def takes_units(self, node: Node) -> bool:
        """Tell whether weights take up the units of the spikes that they read."""
        name = node.inputs[0]
        return self.content[name] != "spikes" or absorb(node, self.units[name]) is not None

    def put_sum(self, node: Node, parts: Sequence[Node]) -> None:
        """Put the parts of a weighted node, and their sum under its name."""
        if len(parts) == 1:
            self.put(parts[0])
            return
        origins = node.origin, replace(node.origin, operator=TERM)
        terms = (replace(p, name=f"{node.name}.term{i + 1}", origin=origins[i > 0]) for i, p in enumerate(parts))
        first, *others = map(self.put, terms)
        for i, other in enumerate(others, 2):
            name = node.name if i == len(parts) else f"{node.name}.sum{i}"
            first = self.put(_sum(name, (first, other), node))

    def form_of(self, node: Node) -> Form | None:
        """Return what a stream stands for, in terms that weights can read; None where it is nothing but itself."""
        if isinstance(node, Population) or not node.inputs or (node.is_scale and self.is_whole(node.inputs[0])):
            return None
        if takes_maxima(node):
            return self.maximum(node)
        forms = [self.forms[name] for name in node.inputs]
        changes = node.is_scale or node.scaling == "sums" or "bias" in node.tensors
        same = all(form.is_stream(name) for form, name in zip(forms, node.inputs, strict=True))
        if not all(self.is_readable(form) for form in forms) or (same and not changes):
            return None
        if node.is_scale:
            return scaled(forms[0], node.tensors["weight"], node.tensors.get("bias", torch.zeros(())))
        if node.scaling == "sums":
            return self.sum_of(node)
        if moves(node) or node.kind == "structure":
            return self.moved(node)
        return self.pooled(node) if node.kind == "synapse" else None

    def is_whole(self, name: str) -> bool:
        """Tell whether a stream is an input of whole numbers, moved perhaps: its scale makes numbers for weights."""
        node = self.nodes[name]
        given = node.kind == "input" and "dtype" in node.arguments
        return given or (moves(node) and any(map(self.is_whole, node.inputs)))

    def is_readable(self, form: Form) -> bool:
        """Tell whether weights can read all terms."""
        return all(self.content[term.stream] in ("input", "spikes", "averages") for term in form.terms)

    def sum_of(self, node: Node) -> Form | None:
        if any(self.nodes[name].shape != node.shape for name in node.inputs):
            return None
        first, second = (self.forms[node.inputs[node.arguments[name].index]] for name in ("self", "other"))
        factor = node.arguments.get("alpha", 1) * (-1 if "subtracts" in node.traits else 1)
        return added(first, scaled(second, torch.tensor(factor), torch.zeros(())))

    def moved(self, node: Node) -> Form | None:
        """Return the form of what is moved: term by term, or the only terms of several streams that are joined."""
        if node.kind == "structure" and node.scaling != "moves" and "bias" not in node.tensors:
            return None
        shapes = [self.nodes[name].shape for name in node.inputs]
        forms = [self.forms[name] for name in node.inputs]
        if len(forms) > 1:
            pairs = zip(node.inputs, forms, strict=True)
            forms = [form if len(form.terms) == 1 else stream(self.coded(name)) for name, form in pairs]
        shift = mapped(node, [form.shift for form in forms], shapes) + node.tensors.get("bias", torch.zeros(()))
        joined = list(zip(*(form.terms for form in forms), strict=True))
        streams = [self.twin(node, [term.stream for term in terms]) for terms in joined]
        scales = [moved(node, [term.scale for term in terms], shapes) for terms in joined]
        return Form(tuple(map(Term, streams, scales)), compress(shift))

    def pooled(self, node: Node) -> Form | None:
        """Return the form of averages, over numbers that are all scaled alike."""
        form, shape = self.forms[node.inputs[0]], self.nodes[node.inputs[0]].shape
        scale = same_within(node, form.terms[0].scale, shape)
        if len(form.terms) > 1 or scale is None:
            return None
        shift = mapped(node, [form.shift], [shape])
        return Form((Term(self.twin(node, [form.terms[0].stream]), scale),), compress(shift))

    def maximum(self, node: Node) -> Form | None:
        """Return the form of a maximum of spikes; where the scale is negative their signs are changed first.

        A sum, and what differs in scale or shift within a window, is coded in spikes before.
        """
        name = node.inputs[0]
        if node.scaling != "pools" or self.content[name] not in ("averages", "sums"):
            return None
        form, shape = self.forms[name], self.nodes[name].shape
        parts, shift = parted(form.terms[0].scale, shape), same_within(node, form.shift, shape)
        if form.is_stream(name) or len(form.terms) > 1 or parts is None or shift is None:
            return stream(self.twin(node, [self.coded(name)]))
        signs, sizes = parts
        source = self.signed(form.terms[0].stream, signs, node)
        return Form((Term(self.twin(node, [source]), sizes.reshape(-1, *[1] * (len(node.shape) - 1))),), shift)

    def twin(self, node: Node, sources: Sequence[str]) -> str:
        """Return the name of a node that does the same with other streams, without a bias."""
        tensors = {name: tensor for name, tensor in node.tensors.items() if name != "bias"}
        if tuple(sources) == node.inputs and len(tensors) == len(node.tensors):
            return node.name
        name = free(f"{node.name}.twin", self.nodes)
        self.twins.setdefault(node.name, name)
        scaling = "moves" if node.kind == "structure" else node.scaling
        return self.put(replace(node, name=name, inputs=tuple(sources), tensors=tensors, scaling=scaling))

    def coded(self, name: str) -> str:
        """Return the name of a population that codes a stream, the same for all that read it."""
        population = signed_population(self.nodes[name])
        return population.name if population.name in self.nodes else self.put(population)

    def signed(self, name: str, signs: Tensor, reader: Node) -> str:
        """Return the name of a node that gives spikes other signs, for one reader."""
        return name if bool((signs == 1).all()) else self.put(_signs(f"{reader.name}.signs", self.nodes[name], signs))

    def read(self) -> Graph:
        """Return the graph of all that is read; a twin that is left alone takes the name."""
        needed, kept = {*self.graph.outputs, *self.graph.inputs}, []
        for node in reversed(self.nodes.values()):
            if node.name in needed:
                needed.update(node.inputs)
                kept.append(node)
        names = {twin: name for name, twin in self.twins.items() if name not in needed}
        renamed = (
            replace(node, name=names.get(node.name, node.name), inputs=tuple(names.get(n, n) for n in node.inputs))
            for node in reversed(kept)
        )
        return replace(self.graph, nodes=tuple(renamed))


def _sum(name: str, terms: tuple[str, str], whole: Node) -> Node:
    """Return the sum of two parts of a node."""
    slots = {"self": Slot(0), "other": Slot(1)}
    return Node(name, "synapse", SUM, terms, whole.shape, slots, scaling="sums", origin=whole.origin)


def _signs(name: str, source: Node, signs: Tensor) -> Node:
    """Return a node that changes signs: spikes stay spikes."""
    tensors = {"weight": signs}
    return Node(name, "structure", SCALE, (source.name,), source.shape, scale_arguments(), tensors, "moves")
