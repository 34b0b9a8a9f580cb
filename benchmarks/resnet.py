"""The CIFAR-10 ResNets of He et al. (2015, section 4.2), without weights. Needs torch alone."""

import torch.nn.functional as F
from torch import Tensor, nn


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
