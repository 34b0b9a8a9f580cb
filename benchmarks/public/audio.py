"""Sounds: spoken digits at 16 kHz from ../shared, and tones whose pitch is known."""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from benchmarks.public.weights import SHARED

RATE = 16_000
"""Samples a second."""


@cache
def digits(first: int, count: int) -> tuple[Tensor, ...]:
    """Return spoken digits as sounds in [-1, 1] at 16 kHz, each of its own length."""
    with np.load(SHARED / "data" / "fsdd" / "fsdd.npz") as data:
        audio, offset = data["audio"], data["offset"]
    places = np.random.default_rng(0).permutation(len(offset) - 1)[first : first + count]
    return tuple(_doubled(torch.from_numpy(audio[offset[i] : offset[i + 1]]).float() / 2**15) for i in places)


def _doubled(sound: Tensor) -> Tensor:
    """Return a sound of 8 kHz at 16 kHz: its spectrum, with nothing above 4 kHz."""
    doubled: Tensor = 2 * torch.fft.irfft(torch.fft.rfft(sound), n=2 * len(sound))
    return doubled


def frames(sounds: tuple[Tensor, ...], size: int, count: int) -> Tensor:
    """Return the loudest frames ``[count, size]`` of sounds, one or more of each."""
    whole = torch.cat([sound[: len(sound) // size * size].reshape(-1, size) for sound in sounds])
    return whole[whole.square().mean(1).argsort(descending=True)[:count]]


def tones(count: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return tones ``[count, size]`` of ten harmonics in a little noise, and their pitches in Hz, 60 to 1000."""
    generator = torch.Generator().manual_seed(seed)
    pitch = 60 * torch.exp(torch.rand(count, generator=generator) * math.log(1000 / 60))
    number, time = torch.arange(1, 11).view(1, -1, 1), torch.arange(size).view(1, 1, -1) / RATE
    level = torch.rand(count, 10, 1, generator=generator) / number * (pitch.view(-1, 1, 1) * number < RATE / 2)
    phase = 2 * math.pi * torch.rand(count, 10, 1, generator=generator)
    sound = (level * torch.sin(2 * math.pi * pitch.view(-1, 1, 1) * number * time + phase)).sum(1)
    return sound + 0.01 * torch.randn(count, size, generator=generator), pitch
