"""Three small CNNs for grey pictures of 28 x 28 pixels: a ConvNeXt, a MobileNet and a VGG."""

import torch
from torch import Tensor, nn

CLASSES = 10


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution, then two linear layers at each pixel, scaled and added to the input.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.gamma = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """Return channels ``[batch, width, rows, columns]``."""
        y: Tensor = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.gamma * self.mlp(self.norm(y))
        return x + y.permute(0, 3, 1, 2)


class ChannelNorm(nn.LayerNorm):
    """A layer norm over the channels of each pixel of ``[batch, channels, rows, columns]``."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape, normalised."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXt(nn.Sequential):
    """A pyramid of ConvNeXt blocks (Liu et al., 2022), 14 x 14 pixels in the first stage, half of it in the next.

    Args:
        widths: channels of each stage.
        depths: blocks of each stage.
    """

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
        stem = nn.Sequential(nn.Conv2d(1, widths[0], 2, stride=2), ChannelNorm(widths[0]))
        stages: list[nn.Module] = []
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            if stage > 0:
                stages += [ChannelNorm(widths[stage - 1]), nn.Conv2d(widths[stage - 1], width, 2, stride=2)]
            stages += [ConvNeXtBlock(width) for _ in range(depth)]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(widths[-1]), nn.Linear(widths[-1], CLASSES)]
        super().__init__(stem, nn.Sequential(*stages), *head)


def _convolution(channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(width)]


class InvertedResidual(nn.Module):
    """Channels made more, convolved one by one, and made few again without an activation.

    Args:
        channels: of the input.
        width: channels of the output.
        stride: of the depthwise convolution; the input is added where the output has the same shape.
        expansion: channels of the depthwise convolution for each of the input.
    """

    def __init__(self, channels: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = expansion * channels
        self.residual = stride == 1 and channels == width
        self.body = nn.Sequential(
            *_convolution(channels, hidden, 1),
            nn.ReLU6(),
            *_convolution(hidden, hidden, 3, stride, groups=hidden),
            nn.ReLU6(),
            *_convolution(hidden, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return channels ``[batch, width, rows, columns]``."""
        y: Tensor = self.body(x)
        return x + y if self.residual else y


class MobileNet(nn.Sequential):
    """Inverted residuals in stages (Sandler et al., 2018).

    Args:
        stem: channels of the first convolution.
        stages: channels, blocks, and the stride of the first block, of each stage.
        features: channels before the mean over all pixels.
    """

    def __init__(self, stem: int, stages: tuple[tuple[int, int, int], ...], features: int) -> None:
        blocks: list[nn.Module] = []
        channels = stem
        for width, depth, stride in stages:
            for block in range(depth):
                blocks.append(InvertedResidual(channels, width, stride if block == 0 else 1, 4))
                channels = width
        head = [*_convolution(channels, features, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(*_convolution(1, stem, 3, stride=2), nn.ReLU6(), *blocks, *head, nn.Linear(features, CLASSES))


class VGG(nn.Sequential):
    """Stages of two convolutions, each before a maximum over windows (Simonyan and Zisserman, 2015), with batch norm.

    Args:
        widths: channels of each stage.
        features: between the last stage and the classes.
    """

    def __init__(self, widths: tuple[int, ...], features: int) -> None:
        layers: list[nn.Module] = []
        for before, width in zip((1, *widths), widths, strict=False):
            layers += [*_convolution(before, width, 3), nn.ReLU(), *_convolution(width, width, 3), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        pixels = (28 // 2 ** len(widths)) ** 2
        head = [nn.Flatten(), nn.Linear(pixels * widths[-1], features), nn.ReLU(), nn.Linear(features, CLASSES)]
        super().__init__(*layers, *head)
