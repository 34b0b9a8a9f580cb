"""The bodies that systems of the zoo share, with whatever stands where a ReLU would stand."""

from collections.abc import Callable
from math import prod

from torch import nn

from canonic.errors import DataError
from canonic.learn.zoo.entry import Build, Shape

Neurons = Callable[[Shape], nn.Module]
"""What stands behind a layer, for the shape of one sample there."""


def relu(_shape: Shape) -> nn.Module:
    """Return what stands there in a network without time."""
    return nn.ReLU()


def require_pictures(shape: Shape) -> None:
    """Raise a DataError unless samples are pictures that may be halved twice."""
    if len(shape) != 3 or min(shape[1:]) < 4:
        raise DataError(
            f"this network is for pictures of at least 4 x 4 pixels, samples have the shape {list(shape)}: of features "
            "take a system without convolutions, such as tandem"
        )


def cnn(neurons: Neurons) -> Build:
    """Return what builds two convolutions of 16 and 32 channels, each with batch norm and pooling, and a linear layer.

    Raises:
        DataError: when it is built, if samples are no pictures of at least 4 x 4 pixels.
    """

    def build(shape: Shape, classes: int) -> nn.Module:
        require_pictures(shape)
        channels, height, width = shape
        return nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            neurons((16, height, width)),
            nn.AvgPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            neurons((32, height // 2, width // 2)),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * (height // 4) * (width // 4), classes),
        )

    return build


def mlp(neurons: Neurons, *hidden: int, outputs: int = 1, bias: bool = True) -> Build:
    """Return what builds linear layers of these widths, and one of ``outputs`` for each class."""

    def build(shape: Shape, classes: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        width = prod(shape)
        for size in hidden:
            layers += [nn.Linear(width, size, bias), neurons((size,))]
            width = size
        return nn.Sequential(*layers, nn.Linear(width, outputs * classes, bias))

    return build
