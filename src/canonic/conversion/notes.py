"""What is noted of the calls of a model: where weights multiply and why, and where scales and sums have gone."""

from collections.abc import Mapping
from dataclasses import replace

from canonic.frontend import Verdict
from canonic.network.carried import Content, carried, moves, takes_maxima
from canonic.network.graph import TERM, Graph, Node, Population


def noted(verdicts: tuple[Verdict, ...], before: Graph, after: Graph) -> tuple[Verdict, ...]:
    """Return the verdicts on a model with notes.

    Args:
        verdicts: on its calls.
        before: its graph as it was imported.
        after: the same as it is converted, with its weights reading spikes.
    """
    content = carried(after)
    names = {node.name for node in before.nodes}

    def with_note(verdict: Verdict) -> Verdict:
        if verdict.kind not in ("synapse", "function unit") or verdict.name not in names:
            return verdict
        if verdict.name not in content:
            return replace(
                verdict, note="folded into weights" if before[verdict.name].is_scale else "read term by term"
            )
        numbers = [numbers_read(after, content, part) for part in products(after, verdict.name)]
        if any(numbers):
            return replace(verdict, note=f"multiplies {' and '.join(filter(None, numbers))}", multiplies=True)
        return replace(verdict, note=_of_spikes(after, verdict.name))

    return tuple(map(with_note, verdicts))


def products(graph: Graph, name: str) -> list[Node]:
    """Return the nodes with weights that a call has become: itself, or one for each term of the sum that it reads."""
    node = graph[name]
    if node.weighted:
        return [node]
    terms = [graph[source] for source in node.inputs] if node.scaling == "sums" else []
    return terms if any(term.origin.operator == TERM for term in terms) else []


def numbers_read(graph: Graph, content: Mapping[str, Content], node: Node) -> str:
    """Return what numbers a node with weights reads; nothing where it reads spikes, or looks numbers up."""
    source = node.inputs[0]
    if content[source] == "spikes" or "looks up" in node.traits:
        return ""
    return "the input" if content[source] == "input" else " and ".join(_sources(graph, content, source))


def _sources(graph: Graph, content: Mapping[str, Content], name: str) -> list[str]:
    """Return where the numbers of a stream come from, each once."""
    node = graph[name]
    if content[name] == "spikes":
        return []
    if content[name] == "input" or not moves(node):
        return ["the input" if content[name] == "input" else f"averages of {name}"]
    return list(dict.fromkeys(source for given in node.inputs for source in _sources(graph, content, given)))


def _of_spikes(graph: Graph, name: str) -> str:
    """Return what is noted of a node that reads spikes: whether of several streams, or of one that is coded anew."""
    parts = products(graph, name)
    if len(parts) > 1:
        return f"reads the {len(parts)} terms of a sum one by one"
    node = parts[0] if parts else graph[name]
    source = graph[node.inputs[0]]
    coded = isinstance(source, Population) and source.neurons.signed and not source.neurons.encodes
    return f"reads {source.inputs[0]} coded in spikes" if coded and (node.weighted or takes_maxima(node)) else ""
