"""The border: what a network accepts as input."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import torch
from torch import Tensor

from canonic.errors import DataError, first_line, nearest
from canonic.network.batch import LABELS, by_name, described, parted, remedy, require_batches
from canonic.network.graph import Graph, Node, Population
from canonic.words import counted


def prototype(graph: Graph) -> Tensor:
    """Return a tensor of the type and on the device of the graph's weights."""
    tensors = (t for node in graph.nodes for t in node.tensors.values() if t.is_floating_point())
    return next(tensors, torch.empty(()))


def analog(graph: Graph, passes: Callable[[Node], bool] = lambda _: True) -> set[str]:
    """Return the names of the inputs and of what follows from them before any population codes it in spikes.

    Args:
        graph: the graph.
        passes: tells of a node whether it can be among them.
    """
    names = set(graph.inputs)
    for node in graph.nodes:
        if not isinstance(node, Population) and names.issuperset(node.inputs) and passes(node):
            names.add(node.name)
    return names


def fed_numbers(graph: Graph) -> set[str]:
    """Return the names of the inputs and of what is made of one of them, before any population codes it in spikes."""
    names = set(graph.inputs)
    for node in graph.nodes:
        if not isinstance(node, Population) and not names.isdisjoint(node.inputs):
            names.add(node.name)
    return names


def as_weights(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a tensor on the device and, unless it holds whole numbers or conditions, in the type of the weights."""
    return tensor.to(like) if tensor.is_floating_point() else tensor.to(like.device)


def known_device(device: torch.device | str) -> torch.device:
    """Return a device that torch can use here.

    Raises:
        DataError: if it cannot.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # no such word, no such hardware, a build without it
        raise DataError(
            f"the device {str(device)!r} cannot be used here ({first_line(error)[:80]}): take 'cpu', or "
            "'cuda' where torch.cuda.is_available()"
        ) from error


def taken_shape(node: Node) -> tuple[int, ...]:
    """Return the shape of a sample of an input: its frames first, where it is a sequence."""
    frames = node.arguments.get("frames")
    return node.shape if frames is None else (frames, *node.shape)


def checked(graph: Graph, inputs: Sequence[object], where: str) -> list[Tensor]:
    """Return the inputs on the device and in the type of the graph.

    Raises:
        DataError: if one does not fit the graph or is not finite; ``where`` says whose input it was.
    """
    if len(inputs) != len(graph.inputs):
        raise DataError(
            f"{where}: the network takes {counted(len(graph.inputs), 'input')} ({', '.join(graph.inputs)}), "
            f"got {len(inputs)}"
        )
    like = prototype(graph)
    ready = [as_weights(_checked(graph, name, x, where), like) for name, x in zip(graph.inputs, inputs, strict=True)]
    if len(sizes := {len(x) for x in ready}) > 1:
        counts = " and ".join(map(str, sorted(sizes)))
        raise DataError(f"{where}: its inputs hold {counts} samples: give as many of each")
    return [channels_last(x) for x in ready]


def called(graph: Graph, inputs: Sequence[object], named: Mapping[str, object]) -> list[Tensor]:
    """Return the inputs of a call, checked: those by place, then those by name; or all in one dict.

    Raises:
        DataError: if one does not fit, is missing, or is none of the network's. Labels are left out.
    """
    if len(inputs) == 1 and isinstance(inputs[0], Mapping) and not named:
        return checked(graph, by_name(inputs[0], graph.inputs, "the input of the call"), "the call")
    rest = graph.inputs[len(inputs) :]
    for name in named:
        if name not in (*rest, *LABELS):
            raise DataError(f"the call takes no {name}: {nearest(name, rest)}")
    more = by_name(named, rest, "what the call names") if named else ()
    return checked(graph, (*inputs, *more), "the call")


def batches(graph: Graph, data: Iterable[Any], purpose: str, first: int = 0, every: int = 1) -> Iterator[list[Tensor]]:
    """Yield the inputs of each batch, checked; whatever follows them in a batch, such as labels, is left out.

    Args:
        graph: of the network.
        data: batches.
        purpose: for errors.
        first: number of the first batch, for errors; a share of the data begins with another, and leaves out some.
        every: distance to the next.

    Raises:
        DataError: if a batch does not fit the graph or is not finite.
    """
    require_batches(data, f"{purpose} data")
    for index, batch in zip(count(first, every), data, strict=False):
        where = f"{purpose} batch {index}"
        yield checked(graph, parted(batch, graph.inputs, where).inputs, where)


def channels_last(tensor: Tensor) -> Tensor:
    """Return pictures, and weights of two-dimensional convolutions, in the layout that is fastest."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def _checked(graph: Graph, name: str, x: object, where: str) -> Tensor:
    shape = ", ".join(map(str, ("batch", *taken_shape(graph[name]))))
    if not isinstance(x, Tensor):
        raise DataError(f"{where}: input {name} must be a tensor [{shape}], got {described(x)}: {remedy(x)}")
    kind = graph[name].arguments.get("dtype")
    if "frames" in graph[name].arguments and not x.is_complex():
        x = x.to(torch.get_default_dtype())  # events may be bytes
    if kind is None:
        require_real(x, f"{where}: input {name}")
    if kind is not None:
        x = _whole(x, kind, f"{where}: input {name}")
    require_samples(x, taken_shape(graph[name]), f"{where}: input {name}")
    _require_known(graph, name, x, where)
    return x


def require_real(x: Tensor, name: str) -> None:
    """Raise a DataError unless a tensor holds numbers in floating point."""
    if not x.is_floating_point():
        raise DataError(f"{name} must be floating point, got {x.dtype}: scale it as in training, x.float()")


def require_samples(x: Tensor, shape: Sequence[int], name: str) -> None:
    """Raise a DataError unless a tensor holds samples of a shape, one at least, and numbers that are finite."""
    wanted = ", ".join(map(str, ("batch", *shape)))
    if x.dim() == 0 or tuple(x.shape[1:]) != tuple(shape):
        raise DataError(f"{name} must have the shape [{wanted}], got {list(x.shape)}")
    if len(x) == 0:
        raise DataError(f"{name} must have the shape [{wanted}] with at least one sample, got {list(x.shape)}")
    if not bool(x.isfinite().all()):
        raise DataError(f"{name} holds NaN or infinity: clean the data first (torch.isfinite finds them)")


def _whole(x: Tensor, kind: torch.dtype, name: str) -> Tensor:
    """Return whole numbers or conditions in another type that holds them; raise a DataError if it does not."""
    if not x.is_floating_point() and bool(((given := x.to(kind)) == x).all()):
        return given
    raise DataError(f"{name} must be {kind}, as in the model's example, got {x.dtype}: convert it, x.to({kind})")


def _require_known(graph: Graph, name: str, x: Tensor, where: str) -> None:
    """Raise if whole numbers look up vectors that a table does not have."""
    for reader in graph.consumers[name]:
        size = len(reader.tensors["weight"]) if "looks up" in reader.traits else None
        if size is not None and not bool(((x >= 0) & (x < size)).all()):
            low, high = int(x.min()), int(x.max())
            raise DataError(
                f"{where}: input {name} holds whole numbers from {low} to {high}, but the table {reader.name} has "
                f"{size} vectors: use the tokenizer of the model"
            )
