"""The CIFAR-10 ResNets of He et al. (2015, section 4.2) and the pictures they are measured on."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from canonic.datasets import Data, Preprocessing, open_data

SHARED = Path(__file__).resolve().parents[2] / "shared"
TRAIN = SHARED / "data" / "cifar10-train-4000.npz"
TEST = SHARED / "data" / "cifar10-test-jpeg.zip"
PREPARE = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class Block(nn.Module):
    """Two convolutions and a shortcut without parameters."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.stride = 1 if before == after else 2
        self.margin = (after - before) // 2
        self.conv1 = nn.Conv2d(before, after, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``relu(f(x) + shortcut(x))``."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride == 2:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.margin, self.margin))
        return F.relu(y + x)


class ResNet(nn.Module):
    """A stem of 16 channels, three stages of n blocks with 16, 32 and 64, and a linear classifier."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16) for _ in range(n)))
        self.layer2 = nn.Sequential(*(Block(32 if i else 16, 32) for i in range(n)))
        self.layer3 = nn.Sequential(*(Block(64 if i else 32, 64) for i in range(n)))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch ``[batch, 3, 32, 32]``."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def resnet20() -> ResNet:
    """Return the network of 20 layers, without weights."""
    return ResNet(3)


def resnet56() -> ResNet:
    """Return the network of 56 layers, without weights."""
    return ResNet(9)


def trained(name: str) -> ResNet:
    """Return "resnet20" or "resnet56" with the weights of ``../shared``, in evaluation mode."""
    model = {"resnet20": resnet20, "resnet56": resnet56}[name]()
    model.load_state_dict(load_file(SHARED / "models" / f"cifar-{name}.safetensors"))
    return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def training_pictures() -> Data:
    """Return the 4,000 clean training pictures."""
    return open_data(str(TRAIN), PREPARE)


def test_pictures() -> Data:
    """Return the 10,000 test pictures, compressed as JPEG."""
    return open_data(str(TEST), PREPARE)
