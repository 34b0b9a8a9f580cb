"""The outputs of a network: what each is called, which one is meant, and the form in which the model returns them."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from canonic.errors import DataError, nearest
from canonic.network.graph import Graph

Output = str | int | Sequence[str | int]
"""An output of a network: its identifier, its place among all, or its path in what the model returns."""

ALONE = "output"
"""The identifier of what is returned by itself."""

NOTHING = "None"
"""The context of a leaf that is no output: None stands there."""

FOUND = "logits"
"""The identifier of an output that is meant where none is named."""


def output_names(graph: Graph) -> tuple[str, ...]:
    """Return the identifier of each output: the keys, fields and places on its path in what the model returns.

    "output" is what is returned by itself, "1" the second of a tuple, "logits" the field of that name, and "boxes.0"
    the first of a list there.
    """
    return tuple(name for name, leaf in named_leaves(graph.form) if leaf["context"] != NOTHING)


def named_leaves(form: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the leaves of what a model returns, each with the identifier that an output in its place has."""
    return [(".".join(path) or ALONE, leaf) for path, leaf in _leaves(json.loads(form)[1])]


def without(form: str, places: Collection[int]) -> str:
    """Return a form whose leaves at these places hold nothing: the model returns None there."""
    protocol, tree = json.loads(form)
    for place, (_, leaf) in enumerate(_leaves(tree)):
        leaf["context"] = NOTHING if place in places else leaf["context"]
    return json.dumps([protocol, tree])


def named_outputs(answer: object) -> dict[str, Any]:
    """Return what a model returned by the identifiers of its outputs.

    >>> named_outputs({"logits": 1, "boxes": (2, 3)})
    {'logits': 1, 'boxes.0': 2, 'boxes.1': 3}
    """
    leaves, form = pytree.tree_flatten(answer)
    names = [name for name, _ in named_leaves(pytree.treespec_dumps(form))]
    return dict(zip(names, leaves, strict=True))


def output_called(graph: Graph, output: Output | None) -> int | None:
    """Return the place of the output that is meant.

    None is the only one, or that called "logits"; where there is neither, None is returned.

    Raises:
        DataError: if there is no such output.
    """
    return place_called(output_names(graph), output)


def place_called(names: Sequence[str], output: Output | None) -> int | None:
    """Return the place of the output that is meant among these; as ``output_called``."""
    if output is None:
        return 0 if len(names) == 1 else next((place for place, name in enumerate(names) if name == FOUND), None)
    name = ".".join(map(str, output)) if isinstance(output, list | tuple) else str(output)
    if name in names:
        return names.index(name)
    if isinstance(output, int) and 0 <= output < len(names):
        return output
    inside = [other for other in names if other.startswith(f"{name}.")]
    if inside:
        raise DataError(f"the output {name!r} holds several: choose one of {', '.join(inside)}")
    raise DataError(f"the network has no output {name!r}: {nearest(name, names)}")


def required_output(graph: Graph, output: Output | None, why: str, option: str = "--output {}") -> int:
    """Return the place of the output that is meant; raise a DataError, which says why one is needed, if none is."""
    place = output_called(graph, output)
    if place is None:
        names = output_names(graph)
        raise DataError(
            f"{why} one output of the network, which has {len(names)} ({', '.join(names)}): say which, for example "
            f"output={names[0]!r}, or {option.format(names[0])}"
        )
    return place


def formed(graph: Graph, outputs: Sequence[Tensor]) -> Any:
    """Return outputs in the form in which the model returns them.

    Raises:
        DataError: if that is a class that nothing has defined in this process.
    """
    protocol, tree = json.loads(graph.form)
    found = [leaf for _, leaf in _leaves(tree)]
    rest = iter(outputs)
    values = [None if leaf["context"] == NOTHING else next(rest) for leaf in found]
    for leaf in found:
        leaf["context"] = None  # as torch writes it
    try:
        return pytree.tree_unflatten(values, pytree.treespec_loads(json.dumps([protocol, tree])))
    except NotImplementedError:
        kind = next(kind for kind in _kinds(tree) if not kind.startswith(("builtins.", "collections.")))
        raise DataError(
            f"the model returns a {kind}, which is not known here: import what defines it, such as "
            f"`import {kind.rpartition('.')[0] or kind}`, before the network is run"
        ) from None


def _leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield the path of each leaf of a tree spec, and the leaf."""
    if tree["type"] is None:
        yield path, tree
        return
    for name, child in zip(_children(tree), tree["children_spec"], strict=True):
        yield from _leaves(child, (*path, name))


def _kinds(tree: Mapping[str, Any]) -> Iterator[str]:
    if tree["type"] is not None:
        yield tree["type"]
    for child in tree["children_spec"]:
        yield from _kinds(child)


def _children(form: Mapping[str, Any]) -> list[str]:
    """Return the keys of a dict, the fields of a dataclass, or the places in a tuple."""
    count = len(form["children_spec"])
    try:
        known = json.loads(form["context"])
    except (TypeError, ValueError):
        known = None
    fields = known[0] if isinstance(known, list) and known and isinstance(known[0], list) else known
    named = isinstance(fields, list) and len(fields) == count and all(isinstance(f, str | int) for f in fields)
    return [str(name) for name in fields] if named else [str(place) for place in range(count)]
