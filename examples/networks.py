"""Four small networks for Fashion-MNIST, untrained or trained: a transformer and three kinds of CNN."""

from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from examples.convolutional import VGG, ConvNeXt, MobileNet
from examples.transformer import VisionTransformer

WEIGHTS = Path(__file__).parent / "weights"


def vit() -> VisionTransformer:
    """Return the untrained transformer."""
    return VisionTransformer(width=64, depth=6, heads=4, hidden=128)


def convnext() -> ConvNeXt:
    """Return the untrained ConvNeXt."""
    return ConvNeXt(widths=(32, 64, 128), depths=(1, 2, 1))


def mobilenet() -> MobileNet:
    """Return the untrained MobileNet."""
    return MobileNet(stem=16, stages=((24, 2, 1), (40, 3, 2), (64, 1, 1)), features=256)


def vgg() -> VGG:
    """Return the untrained VGG."""
    return VGG(widths=(16, 32, 64), features=64)


NETWORKS: dict[str, Callable[[], nn.Module]] = {"vit": vit, "convnext": convnext, "mobilenet": mobilenet, "vgg": vgg}


def trained(name: str) -> nn.Module:
    """Return one of the networks, trained, in evaluation mode.

    Args:
        name: vit, convnext, mobilenet or vgg.
    """
    model = NETWORKS[name]()
    model.load_state_dict(load_file(WEIGHTS / f"{name}.safetensors"))
    return model.eval()
