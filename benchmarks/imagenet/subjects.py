"""The networks, their photos, and the codes that they are measured in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.public import vision
from canonic.datasets import Preprocessing
from canonic.sweep import Setting

CALIBRATED, MEASURED, SCREENED = 100, 600, 100
"""Photos that calibrate, others that measure, and as many of these where a member is not worth all."""

IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SYMMETRIC = Preprocessing((128 / 255,) * 3, (128 / 255,) * 3)
"""For numbers from -1 to 1."""

Batches = DataLoader[Any]


@dataclass(frozen=True)
class Subject:
    """A trained network.

    Attributes:
        title: what people call it.
        model: makes it, with its weights.
        ready: what its photos are normalised with.
        background: classes before the first of ImageNet.
    """

    title: str
    model: Callable[[], nn.Module]
    ready: Preprocessing
    background: int = 0

    def photos(self, first: int, count: int) -> Batches:
        """Return photos ``[batch, 3, 224, 224]`` and their classes; the order of all is drawn once."""
        given, classes = vision.photos(first, count)
        return DataLoader(
            TensorDataset(torch.stack([self.ready(x) for x in given]), classes + self.background), batch_size=10
        )


@dataclass(frozen=True)
class Member:
    """How a network is converted, and on how many photos that is measured."""

    title: str
    setting: Setting
    photos: int = MEASURED


SUBJECTS = {
    "mobilenet_v2": Subject("MobileNetV2", vision.mobilenet, SYMMETRIC, background=1),
    "efficientnet_lite0": Subject("EfficientNet-Lite0", vision.lite0, IMAGENET),
}

MEMBERS = {
    "quantised": Member("a quantised network of 8 bits", Setting(steps=1, silent=0, beta=128.0, levels=127)),
    "rate": Member("signed rate", Setting(code="signed-rate:32"), SCREENED),
    "ternary": Member("ternary", Setting()),
    "ternary_auto": Member("ternary", Setting(silent="auto")),
    "graded_8": Member("graded", Setting(silent=0, levels=8), SCREENED),
    "graded_16": Member("graded", Setting(silent=0, levels=16), SCREENED),
    "graded_32": Member("graded", Setting(silent=0, levels=32), SCREENED),
    "four_digits": Member("graded", Setting(steps=4, silent=0, beta=4.0, levels=32), SCREENED),
    "six_digits": Member("graded", Setting(steps=6, silent=0, beta=4.0, levels=64)),
}
