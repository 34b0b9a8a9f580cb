"""Networks on architectures written by others, small and with random weights: what the converter is held against.

Most come from transformers, built from their configuration, so nothing is downloaded; the rest is written here after
architectures that are not in it. ``build`` gives weights that keep the signal's size, and batch norms the statistics
that one pass over data in training mode leaves.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import transformers as tf

tf.logging.set_verbosity_error()

CLASSES = 10
WORDS = 100
LENGTH = 12
Inputs = tuple[Tensor, ...]


class Logits(nn.Module):
    """A network of transformers that returns its logits, not an object of many fields."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch."""
        logits: Tensor = self.model(x).logits
        return logits


class MaskedLogits(Logits):
    """The same of a network of two inputs: tokens and the attention mask."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Return the logits of a batch."""
        logits: Tensor = self.model(x, mask).logits
        return logits


def conv_bn(
    before: int, after: int, size: int = 3, act: Callable[[], nn.Module] = nn.ReLU, **how: Any
) -> nn.Sequential:
    """Return a convolution that keeps the size (but for its stride), its batch norm, and an activation."""
    conv = nn.Conv2d(before, after, size, padding=size // 2, bias=False, **how)
    return nn.Sequential(conv, nn.BatchNorm2d(after), act())


def classifier(channels: int) -> list[nn.Module]:
    """Return global average pooling and a linear layer."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]


def vgg() -> nn.Sequential:
    """VGG-16 with batch norm, an eighth as wide (Simonyan and Zisserman 2015)."""
    layers: list[nn.Module] = []
    before = 3
    for width, count in ((8, 2), (16, 2), (32, 3), (64, 3), (64, 3)):
        for _ in range(count):
            layers.append(conv_bn(before, width))
            before = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*layers, *head, nn.Linear(64, CLASSES))


class DenseLayer(nn.Module):
    """Batch norm before each convolution, and the result beside the input (Huang et al. 2017)."""

    def __init__(self, before: int, growth: int) -> None:
        super().__init__()
        narrow = [nn.BatchNorm2d(before), nn.ReLU(), nn.Conv2d(before, 2 * growth, 1, bias=False)]
        wide = [nn.BatchNorm2d(2 * growth), nn.ReLU(), nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False)]
        self.body = nn.Sequential(*narrow, *wide)

    def forward(self, x: Tensor) -> Tensor:
        """Return the picture with more channels."""
        return torch.cat([x, self.body(x)], 1)


def densenet() -> nn.Sequential:
    """Three dense blocks with transitions between them."""
    layers: list[nn.Module] = [conv_bn(3, 16)]
    width = 16
    for block in range(3):
        for _ in range(3):
            layers.append(DenseLayer(width, 8))
            width += 8
        if block < 2:
            layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)]
            width //= 2
    return nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU(), *classifier(width))


class Inception(nn.Module):
    """Branches of one, three, five pixels and of max pooling, side by side (Szegedy et al. 2015)."""

    def __init__(self, before: int, each: int) -> None:
        super().__init__()
        self.one = conv_bn(before, each, 1)
        self.three = nn.Sequential(conv_bn(before, each, 1), conv_bn(each, each))
        self.five = nn.Sequential(conv_bn(before, each, 1), conv_bn(each, each, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_bn(before, each, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the four branches in one picture."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


def inception() -> nn.Sequential:
    """A stem and three Inception blocks."""
    first = [conv_bn(3, 16, stride=2), nn.MaxPool2d(3, 2, 1), Inception(16, 8), Inception(32, 8)]
    return nn.Sequential(*first, nn.MaxPool2d(2), Inception(32, 16), nn.Dropout(), *classifier(64))


class Fire(nn.Module):
    """Squeeze to few channels, expand by two kernels (Iandola et al. 2016); no batch norm."""

    def __init__(self, before: int, squeezed: int, each: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(before, squeezed, 1)
        self.one = nn.Conv2d(squeezed, each, 1)
        self.three = nn.Conv2d(squeezed, each, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return both expansions in one picture."""
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.one(x)), F.relu(self.three(x))], 1)


def squeezenet() -> nn.Sequential:
    """SqueezeNet with four Fire blocks; its classifier is a convolution, a ReLU and an average."""
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    first = [nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(inplace=True), pool, Fire(16, 4, 16), Fire(32, 4, 16), pool]
    last = [nn.Dropout(), nn.Conv2d(64, CLASSES, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*first, Fire(32, 8, 32), Fire(64, 8, 32), *last)


class UNet(nn.Module):
    """Two sizes down, two up by transposed convolutions, shortcuts between (Ronneberger et al. 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(conv_bn(3, 8), conv_bn(8, 8))
        self.two = nn.Sequential(conv_bn(8, 16), conv_bn(16, 16))
        self.deep = nn.Sequential(conv_bn(16, 32), conv_bn(32, 32))
        self.up2 = nn.ConvTranspose2d(32, 16, 2, 2)
        self.back2 = nn.Sequential(conv_bn(32, 16), conv_bn(16, 16))
        self.up1 = nn.ConvTranspose2d(16, 8, 2, 2)
        self.back1 = nn.Sequential(conv_bn(16, 8), conv_bn(8, 8), nn.Conv2d(8, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return two maps as large as the picture."""
        one = self.one(x)
        two = self.two(F.max_pool2d(one, 2))
        x = self.up2(self.deep(F.max_pool2d(two, 2)))
        x = self.up1(self.back2(torch.cat([two, x], 1)))
        y: Tensor = self.back1(torch.cat([one, x], 1))
        return y


class Bottleneck(nn.Module):
    """The residual block of a YOLO backbone: SiLU throughout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_bn(width, width // 2, 1, nn.SiLU), conv_bn(width // 2, width, 3, nn.SiLU))

    def forward(self, x: Tensor) -> Tensor:
        """Return a picture of the same size."""
        y: Tensor = x + self.body(x)
        return y


class YOLO(nn.Module):
    """A detector of two scales with a path back up: upsampling and concatenation (Redmon and Farhadi 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 8, 3, nn.SiLU, stride=2), conv_bn(8, 16, 3, nn.SiLU, stride=2))
        self.middle = nn.Sequential(Bottleneck(16), conv_bn(16, 32, 3, nn.SiLU, stride=2))
        self.small = nn.Sequential(Bottleneck(32), conv_bn(32, 32, 3, nn.SiLU, stride=2), Bottleneck(32))
        self.lateral = conv_bn(32, 16, 1, nn.SiLU)
        self.up = nn.Upsample(scale_factor=2)
        self.join = conv_bn(48, 16, 3, nn.SiLU)
        self.heads = nn.ModuleList([nn.Conv2d(16, 18, 1), nn.Conv2d(32, 18, 1)])

    def forward(self, x: Tensor) -> dict[str, list[Tensor]]:
        """Return the maps of both scales, each ``[batch, anchors, 6, height, width]``."""
        middle = self.middle(self.stem(x))
        small = self.small(middle)
        joined = self.join(torch.cat([middle, self.up(self.lateral(small))], 1))
        maps = [head(y) for head, y in zip(self.heads, (joined, small), strict=True)]
        return {"maps": [y.reshape(y.shape[0], 3, 6, y.shape[2], y.shape[3]) for y in maps]}


class Grouped(nn.Module):
    """The block of a ResNeXt: a bottleneck with a convolution in groups (Xie et al. 2017)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        narrow = [conv_bn(before, 16, 1), conv_bn(16, 16, 3, groups=4, stride=stride)]
        self.body = nn.Sequential(*narrow, conv_bn(16, after, 1, nn.Identity))
        same = stride == 1 and before == after
        self.beside = nn.Identity() if same else conv_bn(before, after, 1, nn.Identity, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return a picture of ``after`` channels."""
        return F.relu(self.body(x) + self.beside(x))


def resnext() -> nn.Sequential:
    """A stem and four blocks of a ResNeXt."""
    blocks = [Grouped(16, 32, 1), Grouped(32, 32, 1), Grouped(32, 64, 2), Grouped(64, 64, 1)]
    return nn.Sequential(conv_bn(3, 16, stride=2), *blocks, *classifier(64))


class LSTM(nn.Module):
    """A recurrent classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(WORDS, 16)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch of tokens."""
        y: Tensor = self.head(self.lstm(self.table(x))[0][:, -1])
        return y


def pictures(size: int) -> Callable[[int, torch.Generator], Inputs]:
    """Return what draws pictures of this size: patches of eight by eight colours, and a little noise."""

    def draw(count: int, generator: torch.Generator) -> Inputs:
        patches = F.interpolate(torch.randn(count, 3, 8, 8, generator=generator), size=(size, size), mode="bilinear")
        return (patches + 0.3 * torch.randn(count, 3, size, size, generator=generator),)

    return draw


def tokens(count: int, generator: torch.Generator) -> Inputs:
    """Draw sentences of one length."""
    return (torch.randint(1, WORDS, (count, LENGTH), generator=generator),)


def masked_tokens(count: int, generator: torch.Generator) -> Inputs:
    """Draw sentences of several lengths, and their masks."""
    lengths = torch.randint(3, LENGTH + 1, (count, 1), generator=generator)
    return (*tokens(count, generator), (torch.arange(LENGTH) < lengths).long())


@dataclass(frozen=True)
class Entry:
    """A network of the zoo.

    Attributes:
        make: builds it.
        draw: draws so many inputs.
        bound: the least SNR in dB of what it returns at T = 8.
        reason: why the bound is under 28 dB, if it is.
        refused: what the refusal says, if that is the expected answer.
    """

    make: Callable[[], nn.Module]
    draw: Callable[[int, torch.Generator], Inputs]
    bound: float = 28.0
    reason: str = ""
    refused: str = ""


def hub(name: str, **config: Any) -> Callable[[], nn.Module]:
    """Return what builds a network of transformers from the name of its family and its configuration."""
    family, _, head = name.partition(":")

    def make() -> nn.Module:
        model = getattr(tf, f"{family}{head or 'ForImageClassification'}")
        return Logits(model(getattr(tf, f"{family}Config")(num_labels=CLASSES, **config)))

    return make


def masked(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """Return what builds the same network with an attention mask as its second input."""
    return lambda: MaskedLogits(make().model)  # type: ignore[arg-type]


VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
PATCHES = {**VIT, "image_size": 32, "patch_size": 8}
STAGES = {"hidden_sizes": [16, 32], "depths": [1, 1]}
SWIN = {"image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4}
PYRAMID = {**STAGES, "num_encoder_blocks": 2, "num_attention_heads": [1, 2], "strides": [4, 2], "mlp_ratios": [2, 2]}
WORDY = {"vocab_size": WORDS, **VIT, "max_position_embeddings": 32}
TEXT = "ForSequenceClassification"
DISTIL = {"vocab_size": WORDS, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
GPT2 = {"vocab_size": WORDS, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 32, "pad_token_id": 0}
ENDS = {"bos_token_id": 1, "eos_token_id": 2}
NEXT = {"num_stages": 2, **STAGES, "layer_scale_init_value": 0.5}
EFFICIENT = {"width_coefficient": 0.25, "depth_coefficient": 0.2, "hidden_dim": 320, "dropout_rate": 0.0}
SMALL, LARGE = pictures(32), pictures(64)
CHAOTIC = "random weights in a deep chain amplify noise: at k = T, where only rounding is left, it is no better"
CLIPPED = "its activations have long tails, and those of unseen pictures are clipped: at k = T it is no better"

ZOO: dict[str, Entry] = {
    # convolutional
    "resnet": Entry(hub("ResNet", embedding_size=16, **STAGES, layer_type="basic"), LARGE),
    "resnet, bottleneck": Entry(hub("ResNet", embedding_size=16, **STAGES), LARGE),
    "regnet": Entry(hub("RegNet", embedding_size=16, **STAGES, groups_width=8), LARGE),
    "regnet x": Entry(hub("RegNet", embedding_size=16, **STAGES, groups_width=8, layer_type="x"), LARGE),
    "mobilenetv2": Entry(hub("MobileNetV2", depth_multiplier=0.25, image_size=64), LARGE, 5.0, CHAOTIC),
    "mobilenetv1": Entry(hub("MobileNetV1", depth_multiplier=0.25, image_size=64), LARGE, 7.0, CHAOTIC),
    "convnext": Entry(hub("ConvNext", **NEXT), SMALL),
    "convnextv2": Entry(hub("ConvNextV2", num_stages=2, **STAGES), SMALL),
    "efficientnet": Entry(hub("EfficientNet", image_size=64, **EFFICIENT), LARGE, 9.0, CHAOTIC),
    "vgg": Entry(vgg, SMALL, 20.0, CHAOTIC),
    "densenet": Entry(densenet, SMALL),
    "inception": Entry(inception, LARGE),
    "squeezenet": Entry(squeezenet, LARGE),
    "resnext": Entry(resnext, LARGE),
    "u-net": Entry(UNet, SMALL),
    "yolo": Entry(YOLO, LARGE, 20.0, CLIPPED),
    # transformers of pictures
    "vit": Entry(hub("ViT", **PATCHES), SMALL),
    "deit": Entry(hub("DeiT", **PATCHES), SMALL),
    "beit": Entry(hub("Beit", **PATCHES, use_relative_position_bias=True, layer_scale_init_value=0.5), SMALL),
    "dinov2": Entry(hub("Dinov2", **PATCHES, mlp_ratio=2), SMALL),
    "swin": Entry(hub("Swin", **SWIN), SMALL),
    "swinv2": Entry(hub("Swinv2", **SWIN), SMALL),
    "pvt": Entry(hub("Pvt", image_size=32, **PYRAMID, sequence_reduction_ratios=[2, 1], patch_sizes=[4, 2]), SMALL),
    "segformer": Entry(hub("Segformer", **PYRAMID, sr_ratios=[2, 1], patch_sizes=[7, 3]), SMALL),
    "poolformer": Entry(
        hub("PoolFormer", **PYRAMID, sr_ratios=[2, 1], patch_sizes=[7, 3], padding=[2, 1], layer_scale_init_value=0.5),
        SMALL,
    ),
    # transformers of text
    "bert": Entry(hub(f"Bert:{TEXT}", **WORDY), tokens),
    "bert, masked": Entry(masked(hub(f"Bert:{TEXT}", **WORDY)), masked_tokens),
    "distilbert": Entry(hub(f"DistilBert:{TEXT}", **DISTIL), tokens),
    "roberta": Entry(hub(f"Roberta:{TEXT}", **WORDY), tokens),
    "albert": Entry(hub(f"Albert:{TEXT}", **WORDY, embedding_size=16), tokens),
    "electra": Entry(hub(f"Electra:{TEXT}", **WORDY, embedding_size=16), tokens),
    "gpt2, next word": Entry(hub("GPT2:LMHeadModel", **GPT2, **ENDS, use_cache=False), tokens),
    # refused
    "gpt2": Entry(hub(f"GPT2:{TEXT}", **GPT2, **ENDS), tokens, refused="places that depend on the input"),
    "lstm": Entry(LSTM, tokens, refused="it feeds its output back into itself"),
}
"""The networks by name."""


def build(name: str) -> nn.Module:
    """Return a network in evaluation mode, the same at every call."""
    torch.manual_seed(1 + list(ZOO).index(name))
    model = ZOO[name].make()
    with torch.no_grad():
        for module in model.modules():
            draw_weights(module)
        for parameter in model.parameters():
            if not parameter.any():  # biases, class tokens, tables of positions: what starts at 0 would do nothing
                parameter.normal_(0.0, 0.2)
        settle_norms(model, inputs(name, 32, seed=3))
    return model.eval()


def draw_weights(module: nn.Module) -> None:
    """Draw weights that keep the size of the signal, and what a normalisation layer would have learnt."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, module.in_features**-0.5)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.normal_(module.bias, 0.0, 0.2)


def settle_norms(model: nn.Module, x: Inputs) -> None:
    """Give batch norms the statistics of one pass over data in training mode; nothing is dropped in it."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    if norms:
        model(*x)


def inputs(name: str, count: int, *, seed: int) -> Inputs:
    """Return so many inputs of a network, drawn with a seed: 1 to calibrate, 2 to test."""
    return ZOO[name].draw(count, torch.Generator().manual_seed(1000 * seed + list(ZOO).index(name)))
