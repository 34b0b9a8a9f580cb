"""Silero VAD, which tells speech from silence, and DNSMOS (Reddy et al. 2021), which rates how good speech sounds."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.public.audio import RATE, digits
from benchmarks.public.subject import Answers, Measured, Samples, share
from benchmarks.public.weights import package_file, read

CHUNK, CONTEXT, WIDTH = 512, 64, 128
"""Samples that come at a time, samples before them, and the width of the state."""


class Silero(nn.Module):
    """One step of the network for 16 kHz: spectrum, four convolutions and an LSTM cell, whose state is passed in."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, 128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, 2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, 2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(WIDTH, WIDTH)
        self.final_conv = nn.Conv1d(WIDTH, 1, 1)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the likelihood of speech ``[batch, 1]`` and the state, from sound ``[batch, 576]`` and the state."""
        y = self.stft_conv(F.pad(x.unsqueeze(1), (0, 64), "reflect"))
        y = (y[:, :129] ** 2 + y[:, 129:] ** 2).sqrt()
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            y = F.relu(conv(y))
        hidden, cell = self.lstm_cell(y.squeeze(-1), (hidden, cell))
        return torch.sigmoid(self.final_conv(F.relu(hidden).unsqueeze(-1))).squeeze(-1), hidden, cell


def silero() -> nn.Module:
    """Return Silero VAD with its weights."""
    model = Silero()
    model.load_state_dict(read(package_file("silero_vad/data/silero_vad_16k.safetensors")))
    return model.eval()


def conversations() -> Samples:
    """Return spoken digits amid a second of faint noise, and where they are loud; states as the source has them."""
    calibration, _ = _recordings(100, 16, 1)
    given, spoken = _recordings(200, 32, 2)
    steps: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        _run(silero(), calibration, steps)
    seen = tuple(torch.cat(part) for part in zip(*steps, strict=True))
    return Samples([tuple(x[i : i + 64] for x in seen) for i in range(0, len(seen[0]), 64)], (given,), spoken)


def _recordings(first: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return sounds ``[count, chunks * 512]``, and which of their chunks hold speech ``[count, chunks]``."""
    sound = 0.001 * torch.randn(count, 40 * CHUNK, generator=torch.Generator().manual_seed(seed))
    for row, digit in zip(sound, digits(first, count), strict=True):
        digit = digit[: 24 * CHUNK]
        row[8 * CHUNK : 8 * CHUNK + len(digit)] += 0.3 * digit / digit.abs().max()
    return sound, sound.view(count, -1, CHUNK).square().mean(2) > 1e-4


def _run(network: Answers, sound: Tensor, steps: list[tuple[Tensor, ...]] | None = None) -> Tensor:
    """Return the likelihood of speech of each chunk, the state of each step from the one before."""
    hidden, cell = torch.zeros(2, len(sound), WIDTH).unbind(0)
    padded, found = F.pad(sound, (CONTEXT, 0)), []
    for begin in range(0, sound.shape[1], CHUNK):
        given = (padded[:, begin : begin + CONTEXT + CHUNK], hidden, cell)
        if steps is not None:
            steps.append(given)
        likely, hidden, cell = network(*given)
        found.append(likely)
    return torch.cat(found, 1)


def closed_loop(network: Answers, data: Samples) -> tuple[Tensor]:
    """Return what a network tells of whole recordings, keeping its own state from chunk to chunk."""
    (sound,) = data.inputs
    return (_run(network, sound),)


def vad_measure(answers: Sequence[Tensor], data: Samples) -> Measured:
    """Return the share of chunks that are told right, by the energy of what was put there."""
    assert data.truth is not None
    told = answers[0] > 0.5
    return {"right_percent": share(told == data.truth)}


def vad_compare(source: Sequence[Tensor], spiking: Sequence[Tensor]) -> Measured:
    """Return the share of chunks that both tell alike."""
    return {"same_decision_percent": share((source[0] > 0.5) == (spiking[0] > 0.5))}


def dnsmos() -> nn.Module:
    """Return the network of DNSMOS P.808, for spectra ``[batch, 1, 900, 120]``."""
    weights = read(package_file("speechmos/dnsmos_models/model_v8.onnx"))
    layers: list[nn.Module] = []
    for number, (after, pool) in enumerate(((32, True), (32, True), (32, False), (32, True), (64, False)), 5):
        conv = nn.Conv2d(1 if number == 5 else 32, after, 3, padding=1)
        conv.load_state_dict({part: weights[f"conv2d_{number}/{key}:0"] for part, key in _CONV.items()})
        layers += [conv, nn.ReLU(), *([nn.MaxPool2d(2)] if pool else [])]
    layers += [nn.AdaptiveMaxPool2d(1), nn.Flatten()]
    for number, width in ((3, 64), (4, 64), (5, 1)):
        name = f"mos_estimator_small_1/dense_{number}/"
        dense = nn.Linear(64, width)
        kernel, bias = (f"{name}{part}/ReadVariableOp/resource:0" for part in ("MatMul", "BiasAdd"))
        dense.load_state_dict({"weight": weights[kernel].T, "bias": weights[bias]})
        layers += [dense, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


_CONV = {"weight": "kernel", "bias": "bias"}


def ratings() -> Samples:
    """Return spectra of nine seconds of spoken digits; the second half of the inputs is the first in noise."""
    calibration = torch.cat([_spectra(_long(0, 12)), _spectra(_noisy(_long(0, 12), 3))])
    clean = _long(600, 16)
    given = torch.cat([_spectra(clean), _spectra(_noisy(clean, 4))])
    return Samples([(part,) for part in torch.split(calibration, 8)], (given,))


def _long(first: int, count: int) -> Tensor:
    """Return sounds of 9.01 s less 10 ms ``[count, samples]``, of twenty digits each."""
    size = int(9.01 * RATE) - 160
    spoken = (torch.cat(digits(first + 40 * i, 40)).repeat(2)[:size] for i in range(count))
    return torch.stack([0.5 * sound / sound.abs().max() for sound in spoken])


def _noisy(sound: Tensor, seed: int) -> Tensor:
    return sound + 0.03 * torch.randn(sound.shape, generator=torch.Generator().manual_seed(seed))


def _spectra(sound: Tensor) -> Tensor:
    """Return spectra ``[batch, 1, 900, 120]`` in 120 mel bands, (dB below the loudest + 40) / 40, of 20 ms every 10."""
    frames = torch.stft(sound, 321, 160, 320, torch.hann_window(320), return_complex=True).abs().square()
    power = (_mel_bands(120, 161) @ frames).clamp(min=1e-10)
    decibels = 10 * power.log10()
    decibels = decibels - decibels.amax((1, 2), keepdim=True)
    return ((decibels.clamp(min=-80) + 40) / 40).transpose(1, 2)[:, None, :900]


def _mel_bands(count: int, bins: int) -> Tensor:
    """Return triangles ``[count, bins]`` of equal area between points that are even on the mel scale of Slaney."""
    knee, step = 15.0, math.log(6.4) / 27
    highest = knee + math.log(RATE / 2 / 1000) / step
    mels = torch.linspace(0, highest, count + 2)
    points = torch.where(mels < knee, mels * 200 / 3, 1000 * torch.exp(step * (mels - knee)))
    at = torch.linspace(0, RATE / 2, bins)
    rise = (at - points[:-2, None]) / (points[1:-1] - points[:-2])[:, None]
    fall = (points[2:, None] - at) / (points[2:] - points[1:-1])[:, None]
    return torch.minimum(rise, fall).clamp(min=0) * (2 / (points[2:] - points[:-2]))[:, None]


def mos_measure(answers: Sequence[Tensor], _: Samples) -> Measured:
    """Return the mean rating, and how often a sound is rated above the same sound in noise."""
    rated = answers[0].flatten()
    clean, noisy = rated.chunk(2)
    return {"mean_rating": float(rated.mean()), "clean_above_noisy_percent": share(clean > noisy)}


def mos_compare(source: Sequence[Tensor], spiking: Sequence[Tensor]) -> Measured:
    """Return the mean difference of the ratings, on the scale from 1 to 5."""
    return {"ratings_apart": float((source[0] - spiking[0]).abs().mean())}
