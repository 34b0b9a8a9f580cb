"""Where the batch is: sizes of an exported program as functions of the batch size."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor, fx

from canonic.frontend.call import Consequence, Refusal
from canonic.network.graph import Rows


def size_at(size: int | torch.SymInt, batch: int) -> int:
    """Return a size for a batch of so many samples."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression.subs(dict.fromkeys(expression.free_symbols, batch)))


def symbols(size: int | torch.SymInt) -> set[object]:
    """Return the unknowns that a size depends on: the batch size, and nothing else in what can be converted."""
    return set(size.node.expr.free_symbols) if isinstance(size, torch.SymInt) else set()


def shape_at(tensor: Tensor, batch: int) -> tuple[int, ...]:
    """Return the shape of a tensor for a batch of so many samples."""
    return tuple(size_at(size, batch) for size in tensor.shape)


def in_words(tensor: Tensor) -> str:
    """Return a shape as people write it: [batch, 3], [2*batch, 3]."""
    return f"[{', '.join(map(_in_words, tensor.shape))}]"


def _in_words(size: int | torch.SymInt) -> str:
    return re.sub(r"\bs\d+\b", "batch", str(size))


def is_batch(size: int | torch.SymInt) -> bool:
    """Tell whether a size is the batch size itself."""
    return isinstance(size, torch.SymInt) and all(size_at(size, batch) == batch for batch in (2, 3))


def batch_first(tensor: Tensor) -> bool:
    """Tell whether the first axis of a tensor is the batch, and no other depends on it."""
    return tensor.dim() > 0 and is_batch(tensor.shape[0]) and not batch_axes(tensor) - {0}


def batch_axes(tensor: Tensor) -> set[int]:
    """Return the axes whose size depends on the batch: one, but for models that mix their samples."""
    return {axis for axis, size in enumerate(tensor.shape) if size_at(size, 2) != size_at(size, 3)}


def keeps_apart(tensor: Tensor) -> bool:
    """Tell whether a tensor has as many elements for each sample, whatever the batch."""
    one, two, three = (torch.Size(shape_at(tensor, batch)).numel() for batch in (1, 2, 3))
    return two == 2 * one and three == 3 * one


def is_repeated(one: Tensor, two: Tensor) -> bool:
    """Tell whether a constant made for a batch of two repeats the one made for a batch of one."""
    if one.shape == two.shape:
        return torch.equal(one, two)
    if one.dim() != two.dim() or any(b not in (a, 2 * a) for a, b in zip(one.shape, two.shape, strict=True)):
        return False
    return torch.equal(one.repeat([b // a for a, b in zip(one.shape, two.shape, strict=True)]), two)


def size_or_rows(value: object) -> object:
    """Return the batch size as Rows; refuse any other size that depends on it."""
    if not isinstance(value, torch.SymInt):
        return value
    if is_batch(value):
        return Rows()
    raise Refusal(f"a size depends on the batch ({_in_words(value)})", "keep the batch axis apart from the others")


def result_of(node: fx.Node) -> Tensor:
    """Return the (fake) result of a call; refuse one that mixes the samples of a batch."""
    value = node.meta.get("val")
    value = value[0] if isinstance(value, tuple | list) else value
    if not isinstance(value, Tensor):
        raise Refusal(f"it returns {type(value).__name__}", "return tensors")
    shape = f"its result {in_words(value)}"
    if any(size_at(size, 2) == 0 for size in value.shape):
        raise Refusal(f"{shape} is empty", "take it out of the model")
    free = {symbol for size in value.shape for symbol in symbols(size)}
    if any(str(symbol).startswith("u") for symbol in free):  # torch's word for what only running it tells
        raise Refusal(
            f"{shape} has a size that depends on what is in a mask",
            "use torch.where, or a list of places worked out in __init__",
        )
    if len(free) > 1:
        raise Refusal(f"{shape} has another free size than the batch", "export it with fixed sizes but for the batch")
    if not keeps_apart(value):
        raise Consequence(f"{shape} mixes the samples of a batch", "keep them apart")
    return value


_ALONE = (
    *("aten.index.Tensor", "aten.gather.default", "aten.squeeze.default"),
    *("aten.repeat.default", "aten.repeat_interleave.self_int"),
)
_JOINS = ("aten.cat.default", "aten.stack.default")
_ASSIGNMENTS = ("aten.index_put.default", "aten.scatter.src", "aten.scatter_add.default")


def is_alone(node: fx.Node, value: Tensor, streams: Sequence[fx.Node]) -> bool:
    """Tell whether a call must act on each sample by itself."""
    name = str(node.target)
    if not value.is_floating_point():
        return True  # computed once, and constants among the arguments are those of one sample
    if name in _ALONE or (name in _JOINS and len(set(node.all_input_nodes)) > len(set(streams))):
        return True
    if name in _ASSIGNMENTS and _assigned_alone(node, streams):
        return True
    return not all(batch_first(tensor) for tensor in (value, *map(first_result, streams)))


def _assigned_alone(node: fx.Node, streams: Sequence[fx.Node]) -> bool:
    """Tell whether a stream is assigned to places of its own in each sample, or to a constant."""
    whole, places = node.args[:2]
    every_sample = isinstance(places, list | tuple) and places[0] is None
    return set(streams) != {whole} and not (every_sample and whole in streams)


def first_result(node: fx.Node) -> Tensor:
    """Return the (fake) result of a call, the first of several."""
    value = node.meta["val"]
    first: Tensor = value[0] if isinstance(value, tuple | list) else value
    return first
