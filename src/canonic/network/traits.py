"""What operators do: all that the package asks about them, beside the front end, which has a rule for each.

The rows belong to the operator table (``frontend/table.py``): a new operator whose digits, weights or costs are not
those of any other gets its traits here. Files name operators only, and so say nothing that could contradict them.
"""

from collections.abc import Mapping
from typing import Literal

SCALE, SUM, CLIP = "aten.mul.Tensor", "aten.add.Tensor", "aten.clamp.default"
"""The operators of nodes that are put into a graph: every element times its own weight, a sum, a range."""

Trait = Literal[
    "multiplies",
    "adds",
    "subtracts",
    "looks up",
    "repeats",
    "totals",
    "averages",
    "interpolates",
    "maximises",
    "slides",
    "maps rows",
    "transposes",
    "wants floats",
    "pads",
    "permutes",
    "selects",
]
"""What an operator does:

multiplies    element by element
adds          ``self + alpha * other``
subtracts     ``self - alpha * other``
looks up      vectors of a table, by whole numbers
repeats       elements, where a picture is enlarged
totals        sums of elements, each of which counts once
averages      means of elements, each of which counts as much as another
interpolates  means of elements with weights of their own
maximises     the largest of some elements
slides        a window over pictures ``[channels, height, width]``, with stride, padding and dilation in numbers
maps rows     the last axis, by one matrix ``[outputs, inputs]``
transposes    the weights of a convolution: ``[inputs, outputs, *kernel]``
pads          numbers around the last axes
permutes      axes
selects       one place of an axis
wants floats  it moves elements, but torch computes it for floats alone
"""

_SPATIAL = (1, 2, 3)
_DOES: Mapping[Trait, tuple[str, ...]] = {
    "multiplies": (SCALE,),
    "adds": (SUM,),
    "subtracts": ("aten.sub.Tensor",),
    "looks up": ("aten.embedding.default",),
    "repeats": (
        *(f"aten.upsample_nearest{n}d.vec" for n in _SPATIAL),
        *(f"aten._upsample_nearest_exact{n}d.vec" for n in _SPATIAL),
    ),
    "totals": ("aten.sum.dim_IntList",),
    "averages": (
        "aten.mean.dim",
        *(f"aten.avg_pool{n}d.default" for n in _SPATIAL),
        *(f"aten.adaptive_avg_pool{n}d.default" for n in _SPATIAL),
        *(f"aten._adaptive_avg_pool{n}d.default" for n in (2, 3)),
    ),
    "interpolates": (
        *(f"aten.upsample_{kind}.vec" for kind in ("linear1d", "bilinear2d", "trilinear3d", "bicubic2d")),
    ),
    "maximises": (
        *("aten.amax.default", "aten.max.dim"),
        *(f"aten.max_pool{n}d.default" for n in _SPATIAL),
        *(f"aten.max_pool{n}d_with_indices.default" for n in (2, 3)),
        *(f"aten.adaptive_max_pool{n}d.default" for n in _SPATIAL),
    ),
    "slides": ("aten.conv2d.default", "aten.max_pool2d.default"),
    "maps rows": ("aten.linear.default",),
    "transposes": ("aten.conv_transpose1d.default", *(f"aten.conv_transpose{n}d.input" for n in (2, 3))),
    "pads": ("aten.pad.default", "aten.constant_pad_nd.default"),
    "permutes": ("aten.permute.default",),
    "selects": ("aten.select.int",),
    "wants floats": ("aten.im2col.default",),
}
TRAITS: Mapping[str, frozenset[Trait]] = {
    operator: frozenset(trait for trait, operators in _DOES.items() if operator in operators)
    for operator in {name for operators in _DOES.values() for name in operators}
}
"""The traits of each operator that has any."""

OPERATOR_OF: Mapping[str, str] = {"silu": "aten.silu.default", "sigmoid": "aten.sigmoid.default"}
"""The operators of the functions that neurons can be fitted to."""


def function_of(operator: str) -> str | None:
    """Return the function that an operator is, where neurons can be fitted to it.

    >>> function_of("aten.silu.default")
    'silu'
    """
    return next((function for function, own in OPERATOR_OF.items() if own == operator), None)


def traits_of(operator: str) -> frozenset[Trait]:
    """Return the traits of an operator, none if it only has a rule.

    >>> sorted(traits_of("aten.max_pool2d.default")), sorted(traits_of("aten.gelu.default"))
    (['maximises', 'slides'], [])
    """
    return TRAITS.get(operator, frozenset())
