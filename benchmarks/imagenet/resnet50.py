"""The shape of ResNet-50 (He et al. 2015, table 1), with random weights and the statistics of real photos."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = (3, 4, 6, 3)
"""Blocks of each stage."""
WIDENED = 4
"""A block's last convolution has so many times the channels of its others."""


class Bottleneck(nn.Module):
    """Convolutions of 1 x 1, 3 x 3 and 1 x 1, and a shortcut, with a convolution where the shape changes."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        after = WIDENED * width
        self.first = normed(before, width, 1)
        self.second = normed(width, width, 3, stride)
        self.third = normed(width, after, 1)
        self.shortcut = nn.Identity() if before == after and stride == 1 else normed(before, after, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``relu(f(x) + shortcut(x))``."""
        y = self.third(F.relu(self.second(F.relu(self.first(x)))))
        return F.relu(y + self.shortcut(x))


def normed(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution and its batch norm."""
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after, momentum=None))


def shape() -> nn.Sequential:
    """Return the layers, as torch draws their weights."""
    layers: list[nn.Module] = [normed(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for stage, count in enumerate(STAGES):
        width = 64 * 2**stage
        for number in range(count):
            layers.append(Bottleneck(before, width, 2 if stage and not number else 1))
            before = WIDENED * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 1000))


def resnet50(photos: Tensor) -> nn.Module:
    """Return the network with drawn gains and shifts of its batch norms, and their statistics on some photos.

    Args:
        photos: normalised, ``[batch, 3, 224, 224]``.
    """
    torch.manual_seed(0)
    model = shape()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, -0.2, 0.3)
    with torch.no_grad():
        model.train()(photos)
    return model.eval()
