"""What a stream stands for: other streams, each with a scale, and a constant map.

    value = sum_i scale_i * stream_i + shift

Linear maps act on a form term by term, L(value) = sum_i L(scale_i * stream_i) + L(shift): so weights can read the
spikes of each term with its scale folded in, and get the shift as a bias. The bias is a map: at the border of a
convolution, which pads with zeros behind the shift, L(shift) is another than inside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from canonic.network.apply import through
from canonic.network.graph import Node
from canonic.network.weights import absorb, compress, padded

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Term:
    """A stream and what it is multiplied with: a tensor that broadcasts against one sample."""

    stream: str
    scale: Tensor


@dataclass(frozen=True)
class Form:
    """A sum of scaled streams and a shift, which broadcasts against one sample."""

    terms: tuple[Term, ...]
    shift: Tensor

    def is_stream(self, name: str) -> bool:
        """Tell whether it is the stream of this name, unchanged."""
        alone = len(self.terms) == 1 and self.terms[0].stream == name
        return alone and bool((self.terms[0].scale == 1).all()) and not bool(self.shift.any())


def stream(name: str) -> Form:
    """Return the form of a stream that is nothing but itself."""
    return Form((Term(name, torch.ones(())),), torch.zeros(()))


def scaled(form: Form, scale: Tensor, shift: Tensor) -> Form:
    """Return ``scale * form + shift``."""
    terms = (replace(term, scale=term.scale * scale) for term in form.terms)
    return Form(tuple(terms), form.shift * scale + shift)


def added(first: Form, second: Form) -> Form:
    """Return the sum of two forms; terms of the same stream become one.

    >>> [term.stream for term in added(stream("a"), added(stream("b"), stream("a"))).terms]
    ['a', 'b']
    """
    scales: dict[str, Tensor] = {}
    for term in (*first.terms, *second.terms):
        scales[term.stream] = scales[term.stream] + term.scale if term.stream in scales else term.scale
    return Form(tuple(Term(name, scale) for name, scale in scales.items()), first.shift + second.shift)


def moved(node: Node, scales: Sequence[Tensor], shapes: Sequence[Shape]) -> Tensor:
    """Return the scale of what a node has moved, from the scales of its inputs; any where it pads with zeros."""
    if len(scales) == 1 and scales[0].numel() == 1:
        return scales[0].reshape(())
    there = mapped(node, [torch.ones_like(scale) for scale in scales], shapes)
    return compress(mapped(node, scales, shapes), there != 0)


def mapped(node: Node, values: Sequence[Tensor], shapes: Sequence[Shape]) -> Tensor:
    """Return what a linear node makes of constants that broadcast against its inputs, without its bias."""
    return through(node, [value.expand(shape) for value, shape in zip(values, shapes, strict=True)])


def same_within(node: Node, value: Tensor, shape: Shape) -> Tensor | None:
    """Return a constant map as it comes out of a pooling that leaves it as it is; None where it differs within one.

    A pooling keeps channels, axis 0 of a sample, apart; what mixes them wants one number throughout.
    """
    value = padded(compress(value), len(shape))
    if value.numel() == 1:
        return value.reshape(())
    if node.scaling != "pools" or value.numel() != value.shape[0]:
        return None
    return value.reshape(-1, *[1] * (len(node.shape) - 1))


def parted(scale: Tensor, shape: Shape) -> tuple[Tensor, Tensor] | None:
    """Return a scale as signs, of -1, 0 and 1, times a positive number for each channel; None if it is no such product.

    >>> signs, sizes = parted(torch.tensor([[-2.0], [3.0]]), (2, 4))
    >>> signs.tolist(), sizes.tolist()
    ([[-1.0], [1.0]], [[2.0], [3.0]])
    """
    scale = padded(scale, len(shape))
    sizes = scale.abs().amax(list(range(1, scale.dim())), keepdim=True) if scale.dim() > 1 else scale.abs()
    sizes = torch.where(sizes == 0, 1, sizes)
    signs = scale / sizes
    return (signs, sizes) if bool((signs * (signs.abs() - 1) == 0).all()) else None


def reading(node: Node, form: Form, shape: Shape) -> list[Node] | None:
    """Return a weighted node for each term of what it reads, with the scales in their weights and the shift in the
    bias of the first; None if the weights cannot take up a scale.
    """
    parts = [absorb(node, term.scale) for term in form.terms]
    whole = [replace(part, inputs=(t.stream,)) for part, t in zip(parts, form.terms, strict=True) if part is not None]
    if len(whole) < len(parts):
        return None
    first, *others = whole
    plain = [replace(part, tensors={"weight": part.tensors["weight"]}) for part in others]
    return [_shifted(node, first, form.shift, shape), *plain]


def _shifted(node: Node, part: Node, shift: Tensor, shape: Shape) -> Node:
    """Return a part of a node with what the node makes of a shift added to its bias, worked out in float64."""
    if not bool(shift.any()):
        return part
    weight = node.tensors["weight"]
    exact = mapped(node.with_tensors(weight=weight.double()), [shift.double()], [shape])
    bias = compress(exact.to(weight.dtype))
    return part.with_tensors(bias=part.tensors["bias"] + bias if "bias" in part.tensors else bias)
