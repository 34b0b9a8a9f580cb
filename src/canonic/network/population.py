"""What a population does with the streams of its terms, laid out in memory as its programs want them."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from canonic.codes import CSS, Weighted
from canonic.native import Given, css_scan
from canonic.network.graph import Population
from canonic.neurons import Scan, total


def population_scan(
    node: Population,
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
        compiled: as for ``css_scan``.
        counted: count the spikes of each neuron, where that costs little, and overloads; these are 0 if not.
    """
    given = in_rows(node, streams, code, dtype or streams[0].dtype, counted=counted)
    return in_shape(css_scan(code, given, compiled=compiled), node, streams[0])


def in_rows(
    node: Population, streams: Sequence[Tensor], code: Weighted, dtype: torch.dtype, *, counted: bool, first: int = 0
) -> Given:
    """Return what a population is given as rows of memory: of channels, where all that is its own is theirs.

    Args:
        node: the population.
        streams: the terms of its current, from that of this index on.
        code: of its spikes.
        dtype: of its spikes.
        counted: count them.
        first: the index; those before are pictures.
    """
    pictures, top = first > 0 or streams[0].dim() == 5, ceiling_of(node, code)
    size = node.shape[0] if pictures and per_channel(node, top) else node.size
    names = [*(f"scale {index}" for index in range(first, first + len(streams))), "start", "threshold"]
    *weights, start, theta = (_vector(node.tensors.get(name), node.shape, size, pictures=pictures) for name in names)
    return Given(
        terms=[_rows(stream, size, pictures=pictures) for stream in streams],
        weights=weights,
        spike=dtype,
        signed=node.neurons.signed,
        start=start,
        theta=theta,
        ceiling=_vector(top, node.shape, size, pictures=pictures),
        neurons=node.size if counted else None,
    )


def current(node: Population, streams: Sequence[Tensor]) -> Tensor:
    """Return the current of a population, the sum of its terms."""
    return total([(stream, node.tensors.get(f"scale {index}")) for index, stream in enumerate(streams)])


def ceiling_of(node: Population, code: Weighted) -> Tensor | None:
    """Return what a population is clipped at, in units of its theta; None if nothing is, or where the code ends there.

    The largest number of one level, and of other codes, is chosen to be the ceiling.
    """
    ceiling = node.neurons.ceiling
    graded = isinstance(code, CSS) and code.levels > 1
    return ceiling / node.tensors["theta"] if graded and ceiling is not None else None


def per_channel(node: Population, ceiling: Tensor | None = None) -> bool:
    """Tell whether all that belongs to the neurons of a picture is the same throughout a channel."""
    own = [v for name, v in node.tensors.items() if name in ("start", "threshold") or name.startswith("scale ")]
    given = own if ceiling is None else [*own, ceiling]
    return all(v.numel() == 1 or v.shape[-2:] == (1, 1) for v in given)


def _rows(stream: Tensor, size: int, *, pictures: bool) -> Tensor:
    """Return a stream as rows of memory; pictures with their channels last, as the convolutions leave them."""
    return (stream.movedim(2, -1) if pictures else stream).reshape(len(stream), -1, size)


def in_shape(done: Scan, node: Population, stream: Tensor) -> Scan:
    """Return what a population did with rows, in the shape of its neurons and of a stream that it read."""
    batch, pictures = stream.shape[1], stream.dim() == 5
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
