"""The networks whose speed is measured, with modules for their rectifiers: other converters look for those."""

import torch
from torch import Tensor, nn

from benchmarks import resnet


class Block(nn.Module):
    """A block of the trained ResNet as modules alone; the same function.

    Its shortcut, which drops every second pixel and adds empty channels, is a convolution of ones and zeros.
    """

    def __init__(self, block: resnet.Block) -> None:
        super().__init__()
        self.conv1, self.bn1, self.conv2, self.bn2 = block.conv1, block.bn1, block.conv2, block.bn2
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if block.stride == 2:
            before, after = block.conv1.in_channels, block.conv1.out_channels
            self.shortcut = nn.Conv2d(before, after, 1, 2, bias=False)
            nn.init.zeros_(self.shortcut.weight)
            with torch.no_grad():
                self.shortcut.weight[block.margin : block.margin + before, :, 0, 0] = torch.eye(before)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``relu(f(x) + shortcut(x))``."""
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu2(y + self.shortcut(x))
        return out


def with_modules(model: resnet.ResNet) -> nn.Module:
    """Return a ResNet as a chain of blocks with modules for its rectifiers."""
    blocks = [Block(b) for layer in (model.layer1, model.layer2, model.layer3) for b in layer]  # type: ignore[arg-type]
    return nn.Sequential(
        model.conv1, model.bn1, nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), model.linear
    ).eval()


def vgg16() -> nn.Module:
    """Return VGG-16 with batch norm for pictures of 32 x 32, with random weights and statistics of random pictures."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    before = 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [
                nn.Conv2d(before, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width, momentum=None),
                nn.ReLU(),
            ]
            before = width
        layers.append(nn.MaxPool2d(2))
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    with torch.no_grad():
        model.train()(pictures(64))
    return model.eval()


def deep(layers: int) -> nn.Module:
    """Return a plain network of so many layers of 32 channels, for time against neurons."""
    torch.manual_seed(0)
    chain: list[nn.Module] = [nn.Conv2d(3, 32, 3, padding=1), nn.ReLU()]
    for _ in range(layers - 1):
        chain += [nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*chain, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)).eval()


def pictures(count: int) -> Tensor:
    """Return random pictures, normalised as in training."""
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)).clamp(-2, 2)
