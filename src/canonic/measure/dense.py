"""What a sample costs in a network without time, where no number is zero."""

from collections.abc import Sequence
from math import prod

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from canonic.measure.energy import ADD, MULTIPLY


def dense(net: nn.Module, x: Shaped[Tensor, "1 ..."]) -> dict[str, float]:
    """Return multiplications and microjoules of a sample; those of padding are none, as in an evaluation.

    >>> dense(nn.Conv2d(2, 4, 3, padding=1), torch.rand(1, 2, 1, 5))["ann_MACs"]  # a row of 2 + 3 + 3 + 3 + 2 pixels
    104.0
    """
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=COUNTED) as counter:
        net.eval()(x.to(torch.get_default_dtype()))
    products = counter.get_total_flops() / 2
    return {"ann_MACs": products, "ann_energy": 1e-6 * products * (ADD["fp32"] + MULTIPLY["fp32"])}


def _recurrent(x: Sequence[int], into: Sequence[int], back: Sequence[int], *_: object, **__: object) -> int:
    """Return twice the products of a recurrent layer, from the shapes of its input and of its two matrices."""
    return 2 * prod(x[:2]) * (prod(into) + prod(back))


def _convolution(
    x: Sequence[int],
    weight: Sequence[int],
    _bias: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    *_: object,
    **__: object,
) -> int:
    """Return twice the products of a convolution whose kernel stands on the input."""
    along = zip(x[2:], weight[2:], stride, padding, dilation, strict=True)
    return 2 * x[0] * prod(weight[:2]) * prod(pairs(*lengths) for lengths in along)


def pairs(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return how many pairs of an output and an input there are along a line.

    >>> pairs(size=5, kernel=3, stride=1, padding=1, dilation=1)
    13
    """
    reach = dilation * (kernel - 1)
    starts = range(-padding, size + padding - reach, stride)
    return sum(0 <= start + step < size for start in starts for step in range(0, reach + 1, dilation))


COUNTED = {torch.ops.aten.mkldnn_rnn_layer: _recurrent, torch.ops.aten.convolution: _convolution}
"""An LSTM, where a processor runs it as one operator, which torch does not count, and what it counts with padding."""
