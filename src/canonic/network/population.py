"""What a population does with the streams of its terms, laid out in memory as its programs want them."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from canonic.codes import CSS, Weighted
from canonic.native import fused_scan
from canonic.network.graph import Node
from canonic.neurons import Scan, total


def population_scan(
    node: Node,
    streams: Sequence[Tensor],
    code: CSS,
    dtype: torch.dtype | None = None,
    *,
    compiled: bool = False,
    counted: bool = False,
) -> Scan:
    """Return what a population does with the streams of its terms: ``[time, batch, *shape]``.

    Args:
        node: the population.
        streams: the terms of its current.
        code: to run it with.
        dtype: of the spikes; that of the first term if None.
        compiled: as for ``fused_scan``.
        counted: count the spikes of each neuron, where that costs little.
    """
    signed = node.neurons is not None and node.neurons.signed
    pictures = streams[0].dim() == 5
    top = ceiling_of(node, code)
    size = node.shape[0] if pictures and per_channel(node, top) else node.size
    *weights, start, theta = vectors(node, len(streams), size, pictures=pictures)
    ceiling = _vector(top, node.shape, size, pictures=pictures)
    terms = [(rows(stream, size, pictures=pictures), w) for stream, w in zip(streams, weights, strict=True)]
    done = fused_scan(
        code,
        terms,
        dtype or streams[0].dtype,
        signed=signed,
        start=start,
        theta=theta,
        ceiling=ceiling,
        compiled=compiled,
        neurons=node.size if counted else None,
    )
    return in_shape(done, node, streams[0].shape[1], pictures=pictures)


def current(node: Node, streams: Sequence[Tensor]) -> Tensor:
    """Return the current of a population, the sum of its terms."""
    return total([(stream, node.tensors.get(f"scale {index}")) for index, stream in enumerate(streams)])


def ceiling_of(node: Node, code: Weighted) -> Tensor | None:
    """Return what a population is clipped at, in units of its theta; None if nothing is, or where the code ends there.

    The largest number of one level, and of other codes, is chosen to be the ceiling.
    """
    ceiling = node.neurons.ceiling if node.neurons else None
    graded = isinstance(code, CSS) and code.levels > 1
    return ceiling / node.tensors["theta"] if graded and ceiling is not None else None


def per_channel(node: Node, ceiling: Tensor | None = None) -> bool:
    """Tell whether all that belongs to the neurons of a picture is the same throughout a channel."""
    own = [v for name, v in node.tensors.items() if name in ("start", "threshold") or name.startswith("scale ")]
    given = own if ceiling is None else [*own, ceiling]
    return all(v.numel() == 1 or v.shape[-2:] == (1, 1) for v in given)


def vectors(node: Node, terms: int, size: int, *, pictures: bool) -> list[Tensor | None]:
    """Return the weights of the terms, the initial potential and the whole thresholds, each ``[size]`` or None."""
    names = [*(f"scale {index}" for index in range(terms)), "start", "threshold"]
    return [_vector(node.tensors.get(name), node.shape, size, pictures=pictures) for name in names]


def rows(stream: Tensor, size: int, *, pictures: bool) -> Tensor:
    """Return a stream as rows of memory; pictures with their channels last, as the convolutions leave them."""
    return (stream.movedim(2, -1) if pictures else stream).reshape(len(stream), -1, size)


def in_shape(done: Scan, node: Node, batch: int, *, pictures: bool) -> Scan:
    """Return what a population did with rows, in the shape of its neurons."""
    inner = (*node.shape[1:], node.shape[0]) if pictures else node.shape
    whole, fired = done.spikes.view(len(done.spikes), batch, *inner), done.fired
    if fired is not None:
        units = fired.units.view(inner)
        fired = fired._replace(units=units.movedim(-1, 0) if pictures else units)
    return Scan(whole.movedim(-1, 2) if pictures else whole, done.overloads, fired)


def _vector(vector: Tensor | None, shape: tuple[int, ...], size: int, *, pictures: bool) -> Tensor | None:
    """Return what belongs to each neuron, or to each channel if a row holds no more, in the same layout."""
    if vector is None or size < prod(shape):
        return vector if vector is None else vector.reshape(-1).expand(size)
    whole = vector.expand(shape)
    return (whole.movedim(0, -1) if pictures else whole).reshape(-1)
