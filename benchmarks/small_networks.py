"""Small networks, one for each way to build one: what converters of trained networks are compared on.

Pure torch, nothing of canonic: other tools import this file in environments of their own. Weights are random with
fixed seeds, of a size that keeps the signal's (He et al. 2015); the statistics and scales of the normalisation layers
are drawn too, so that none of them is an identity.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VECTOR = (32,)
PICTURE = (3, 8, 8)
TOKENS = (6, 32)
CALIBRATION, TEST = 256, 64
CLASSES = 10


class FunctionalMLP(nn.Module):
    """A perceptron that calls ``F.relu``."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(32, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of ``[batch, 32]``."""
        y: Tensor = self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))
        return y


class SharedReLU(nn.Module):
    """A perceptron whose layers, of two widths, share one ReLU module."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(32, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 48)
        self.fc4 = nn.Linear(48, CLASSES)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of ``[batch, 32]``."""
        x = self.relu(self.fc2(self.relu(self.fc1(x))))
        y: Tensor = self.fc4(self.relu(self.fc3(x)))
        return y


class Residual(nn.Module):
    """``relu(f(x) + x)`` with two convolutions in f."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_bn(channels, channels)
        self.relu1 = nn.ReLU()
        self.second = conv_bn(channels, channels)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return a picture of the same size."""
        y: Tensor = self.relu2(self.second(self.relu1(self.first(x))) + x)
        return y


class Dense(nn.Module):
    """A layer of a DenseNet: its input and what it makes of it, side by side."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_bn(channels, growth), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Return a picture of ``channels + growth`` channels."""
        return torch.cat([x, self.body(x)], 1)


class SqueezeExcite(nn.Module):
    """Channels scaled by a small network of their means: a product of two streams."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, 4, 1)
        self.relu = nn.ReLU()
        self.expand = nn.Conv2d(4, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return a picture of the same size."""
        gate: Tensor = self.gate(self.expand(self.relu(self.reduce(self.pool(x)))))
        return x * gate


class Attention(nn.Module):
    """One head of self-attention over tokens, by ``F.scaled_dot_product_attention``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return as many tokens."""
        y: Tensor = self.out(F.scaled_dot_product_attention(self.query(x), self.key(x), self.value(x)))
        return y


class MultiHead(nn.Module):
    """``nn.MultiheadAttention`` of a stream with itself, and the stream."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return as many tokens."""
        y: Tensor
        y, _ = self.attention(x, x, x, need_weights=False)
        return x + y


class PreNorm(nn.Module):
    """A layer of a transformer: attention and a perceptron, each behind a layer norm and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return as many tokens."""
        y: Tensor
        z = self.norm1(x)
        y, _ = self.attention(z, z, z, need_weights=False)
        x = x + y
        y = self.mlp(self.norm2(x))
        return x + y


class MeanOfTokens(nn.Module):
    """The mean over all tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, width]`` of ``[batch, tokens, width]``."""
        return x.mean(1)


class UNet(nn.Module):
    """Down, up again, and the two sizes side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(*conv_bn(3, 16), nn.ReLU())
        self.down = nn.Sequential(nn.MaxPool2d(2), *conv_bn(16, 32), nn.ReLU())
        self.up = nn.Upsample(scale_factor=2)
        self.last = nn.Sequential(*conv_bn(48, 16), nn.ReLU(), nn.Conv2d(16, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return two maps of the size of the picture."""
        x = self.first(x)
        y: Tensor = self.last(torch.cat([x, self.up(self.down(x))], 1))
        return y


class LSTM(nn.Module):
    """A recurrent network that reads tokens and classifies its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(32, 48, batch_first=True)
        self.head = nn.Linear(48, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of ``[batch, tokens, 32]``."""
        states, _ = self.lstm(x)
        y: Tensor = self.head(states[:, -1])
        return y


def conv_bn(before: int, after: int, groups: int = 1, size: int = 3) -> nn.Sequential:
    """Return a convolution that keeps the size, and its batch norm."""
    conv = nn.Conv2d(before, after, size, padding=size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after))


def perceptron(activation: Callable[[], nn.Module]) -> nn.Sequential:
    """Return a perceptron of three layers with this activation."""
    first, second = nn.Linear(32, 64), nn.Linear(64, 64)
    return nn.Sequential(first, activation(), second, activation(), nn.Linear(64, CLASSES))


def convolutional(activation: Callable[[], nn.Module], pool: nn.Module) -> nn.Sequential:
    """Return two stages of convolution, batch norm, activation and pooling, and a linear classifier."""
    first = [*conv_bn(3, 16), activation(), pool]
    second = [*conv_bn(16, 32), activation(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(32, CLASSES))


def picture_network(*body: nn.Module, channels: int) -> nn.Sequential:
    """Return a stem of 16 channels, this body, and a classifier of the means of its channels."""
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))
    return nn.Sequential(*conv_bn(3, 16), nn.ReLU(), *body, *head)


def token_network(*body: nn.Module) -> nn.Sequential:
    """Return this body and a classifier of the mean token."""
    return nn.Sequential(*body, MeanOfTokens(), nn.Linear(32, CLASSES))


def pooling_first() -> nn.Sequential:
    """Return a network whose pooling stands before the activation."""
    first = [*conv_bn(3, 16), nn.MaxPool2d(2), nn.ReLU()]
    second = [*conv_bn(16, 32), nn.MaxPool2d(2), nn.ReLU()]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(128, CLASSES))


def depthwise() -> nn.Sequential:
    """Return a stem and two blocks of a MobileNet."""
    blocks = [*conv_bn(16, 16, groups=16), nn.ReLU6(), *conv_bn(16, 32, size=1), nn.ReLU6()]
    blocks += [*conv_bn(32, 32, groups=32), nn.ReLU6(), *conv_bn(32, 32, size=1)]
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES))
    return nn.Sequential(*conv_bn(3, 16), nn.ReLU6(), *blocks, *head)


def norm_behind() -> nn.Sequential:
    """Return a network with batch norm behind the activation: the norm's offset goes into the next padding."""
    first = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(16)]
    second = [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(32), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(32, CLASSES))


def layer_norm_mlp() -> nn.Sequential:
    """Return a perceptron with layer norm and GELU."""
    first = [nn.Linear(32, 64), nn.LayerNorm(64), nn.GELU()]
    return nn.Sequential(*first, nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU(), nn.Linear(64, CLASSES))


def group_norm() -> nn.Sequential:
    """Return a convolutional network with group norm."""
    first = [nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU(), nn.AvgPool2d(2)]
    second = [nn.Conv2d(16, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(32, CLASSES))


def transformer() -> nn.Sequential:
    """Return two layers with their layer norm first, and a layer norm behind them."""
    return token_network(nn.Linear(32, 32), PreNorm(32, 4), PreNorm(32, 4), nn.LayerNorm(32))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: perceptron(nn.ReLU),
    "mlp, F.relu": FunctionalMLP,
    "one relu for all layers": SharedReLU,
    "cnn, average pooling": lambda: convolutional(nn.ReLU, nn.AvgPool2d(2)),
    "cnn, max pooling": lambda: convolutional(nn.ReLU, nn.MaxPool2d(2)),
    "max pooling before relu": pooling_first,
    "residual": lambda: picture_network(Residual(16), Residual(16), channels=16),
    "concatenation": lambda: picture_network(Dense(16, 8), Dense(24, 8), channels=32),
    "depthwise relu6": depthwise,
    "leaky relu": lambda: perceptron(lambda: nn.LeakyReLU(0.1)),
    "sigmoid": lambda: perceptron(nn.Sigmoid),
    "gelu": lambda: perceptron(nn.GELU),
    "hardswish": lambda: convolutional(nn.Hardswish, nn.AvgPool2d(2)),
    "batch norm behind relu": norm_behind,
    "layer norm and gelu": layer_norm_mlp,
    "group norm": group_norm,
    "squeeze-and-excite": lambda: picture_network(SqueezeExcite(16), *conv_bn(16, 32), nn.ReLU(), channels=32),
    "attention": lambda: token_network(Attention(32)),
    "multi-head attention": lambda: token_network(MultiHead(32, 4)),
    "transformer": transformer,
    "u-net": UNet,
    "lstm": LSTM,
}
"""What builds each network; call ``build`` for its weights."""

_ON_VECTORS = ("mlp", "mlp, F.relu", "one relu for all layers", "leaky relu", "sigmoid", "gelu", "layer norm and gelu")
_ON_TOKENS = ("attention", "multi-head attention", "transformer", "lstm")
SHAPES: dict[str, tuple[int, ...]] = {
    name: VECTOR if name in _ON_VECTORS else TOKENS if name in _ON_TOKENS else PICTURE for name in NETWORKS
}
"""The shape of one input of each network."""


def build(name: str) -> nn.Module:
    """Return a network in evaluation mode, the same at every call.

    >>> model = build("cnn, max pooling")
    >>> model(inputs("cnn, max pooling")[1]).shape
    torch.Size([64, 10])
    """
    torch.manual_seed(1 + list(NETWORKS).index(name))
    model = NETWORKS[name]()
    with torch.no_grad():
        for module in model.modules():
            enliven(module)
    return model.eval()


def enliven(module: nn.Module) -> None:
    """Draw the weights of a layer, and what a normalisation layer would have learnt and counted."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            module.bias.normal_(0.0, 0.2)
    if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
        module.running_mean.normal_(0.0, 0.3)
        module.running_var.uniform_(0.3, 1.5)
    if isinstance(module, nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
        module.weight.uniform_(0.5, 1.5)
        module.bias.normal_(0.0, 0.3)


def inputs(name: str) -> tuple[Tensor, Tensor]:
    """Return 256 inputs to calibrate with and 64 others to test with, of mean 0 and variance 1.

    Half of the variance of a picture is between pictures: each has its own mean in every channel.

    >>> [batch.shape for batch in inputs("transformer")]
    [torch.Size([256, 6, 32]), torch.Size([64, 6, 32])]
    """
    generator = torch.Generator().manual_seed(1000 + list(NETWORKS).index(name))
    shape = SHAPES[name]
    drawn = torch.randn(CALIBRATION + TEST, *shape, generator=generator)
    if shape == PICTURE:
        drawn = (drawn + torch.randn(len(drawn), shape[0], 1, 1, generator=generator)) / 2**0.5
    return drawn[:CALIBRATION], drawn[CALIBRATION:]


def relative_error(found: Tensor, wanted: Tensor) -> float:
    """Return ``||found - wanted|| / ||wanted||`` over a batch.

    >>> round(relative_error(torch.tensor([3.0, 5.0]), torch.tensor([3.0, 4.0])), 6)
    0.2
    """
    return float((found - wanted).norm() / wanted.norm())
