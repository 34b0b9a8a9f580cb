"""Convolutions as nodes of NIR: of lines and pictures its own; of volumes that of a picture.

Of a volume, the planes that an output plane reads are channels of a picture, and the output planes lie below each
other. Rows in which a kernel would see two of them are left out behind it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from canonic.export.nir.key import Chain, Shape, numbers, require_package
from canonic.export.nir.places import counted, placed

Axes = Sequence[int]
"""A number for each axis behind the channels."""


def convolved(x: Tensor, weight: Tensor, stride: Axes, padding: Axes, dilation: Axes, groups: int) -> Tensor:
    """Return the convolution of one sample."""
    convolve: Any = (F.conv1d, F.conv2d, F.conv3d)[x.dim() - 2]
    given = (list(own) for own in (stride, padding, dilation))
    made: Tensor = convolve(x.to(weight).unsqueeze(0), weight, None, *given, groups)
    return made[0]


def convolution(
    shape: Shape, weight: Tensor, bias: Tensor, stride: Axes, padding: Axes, dilation: Axes, groups: int
) -> Chain:
    """Return the nodes of a convolution over samples of a shape, of one to three axes behind the channels."""
    nir, given = require_package(), (stride, padding, dilation)
    if len(shape) == 2:
        return [nir.Conv1d(shape[1], numbers(weight), *(own[0] for own in given), groups, numbers(bias))]
    if len(shape) == 3:
        return [nir.Conv2d(shape[1:], numbers(weight), *map(tuple, given), groups, numbers(bias))]
    return _volume(shape, weight, bias, stride, padding, dilation, groups)


def _volume(
    shape: Shape, weight: Tensor, bias: Tensor, stride: Axes, padding: Axes, dilation: Axes, groups: int
) -> Chain:
    x = F.pad(counted(shape), [size for own in reversed(padding) for size in (own, own)])
    taps, reach = weight.shape[2], [apart * (size - 1) for apart, size in zip(dilation, weight.shape[2:], strict=True)]
    begin = torch.arange(0, x.shape[1] - reach[0], stride[0])
    read = x[:, begin + dilation[0] * torch.arange(taps).unsqueeze(1)]  # [channels, taps, planes, rows, columns]
    picture = read.flatten(0, 1).flatten(1, 2)
    behind = (len(weight), picture.shape[1] - reach[1], picture.shape[2] - reach[2])
    below = x.shape[2] * torch.arange(len(begin)).unsqueeze(1) + torch.arange(0, x.shape[2] - reach[1], stride[1])
    made = convolution(tuple(picture.shape), weight.flatten(1, 2), bias, (1, 1), (0, 0), dilation[1:], groups)
    return [placed(shape, picture), *made, placed(behind, counted(behind)[:, below, :: stride[2]])]
