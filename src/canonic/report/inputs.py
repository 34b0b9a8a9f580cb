"""The input of a network as a picture that a page can show."""

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

SIDE = 96
"""Pixels of the longer side of a picture at most."""

NAMED = 40
"""Whole numbers, such as tokens, that are named at most."""


@dataclass(frozen=True)
class Picture:
    """An input as a page shows it.

    Attributes:
        url: a PNG file as a data address; empty where the input is no picture and cannot be drawn.
        width: in pixels of the input, or of what is shown of it.
        height: likewise.
        note: says what was done to make a picture of it; empty if it is one.
    """

    url: str
    width: int
    height: int
    note: str


def picture_of(x: Tensor, preprocessing: Mapping[str, Any]) -> Picture:
    """Return an input as a picture.

    Args:
        x: one sample ``[*shape]``; ``[1 or 3, height, width]`` is a picture, and ``[frames, 2, height, width]`` is
            drawn as one: events of the second polarity are light, those of the first dark.
        preprocessing: "mean" and "std" of the channels, which are taken back; without them the values are scaled to
            their own range.
    """
    x = x.detach().cpu()
    if not x.is_floating_point():
        numbers = [str(value) for value in x.flatten().tolist()]
        return Picture("", 0, 0, f"its numbers: {' '.join(numbers[:NAMED])}{' ...' if len(numbers) > NAMED else ''}")
    if x.dim() == 3 and len(x) in (1, 3):
        known = bool(preprocessing) or bool(((x >= 0) & (x <= 1)).all())
        pixels = _as_it_was(x, preprocessing) if known else _scaled(x)
        return _png(pixels, "" if known else "scaled to its own range of values")
    size = " x ".join(map(str, x.shape)) or "1"
    if x.dim() == 4 and x.shape[1] == 2:
        off, on = x.sum(0)
        return _png(_scaled(on - off)[None], f"of {size} numbers the sum of all second maps less that of the first")
    plane = _plane(x)
    return _png(_scaled(plane), f"no picture: values of an input of shape {size}, from dark (least) to light")


def _plane(x: Tensor) -> Tensor:
    """Return the first map of an input of any shape, ``[1, height, width]``; a vector is wrapped."""
    if x.dim() >= 2:
        return x.reshape(-1, *x.shape[-2:])[:1]
    width = len(x.flatten()) if x.numel() <= SIDE else math.ceil(math.sqrt(x.numel()))
    rows = -(-x.numel() // width)
    filled = x.new_full((rows * width,), float(x.min()))
    filled[: x.numel()] = x.flatten()
    return filled.reshape(1, rows, width)


def _as_it_was(x: Tensor, preprocessing: Mapping[str, Any]) -> Tensor:
    mean = x.new_tensor(preprocessing.get("mean") or [0.0]).view(-1, 1, 1)
    std = x.new_tensor(preprocessing.get("std") or [1.0]).view(-1, 1, 1)
    return (x * std + mean).clamp(0, 1)


def _scaled(x: Tensor) -> Tensor:
    low, high = float(x.min()), float(x.max())
    return (x - low) / ((high - low) or 1.0)


def _png(pixels: Tensor, note: str) -> Picture:
    """Return values in [0, 1], ``[1 or 3, height, width]``, as a picture of at most SIDE pixels a side."""
    from PIL import Image

    values = (pixels.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    image = Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return Picture(
        f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}", image.width, image.height, note
    )
