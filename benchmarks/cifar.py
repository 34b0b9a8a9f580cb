"""The trained CIFAR-10 ResNets and the pictures they are measured on."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.resnet import ResNet, resnet20, resnet56
from canonic.datasets import Data, Preprocessing, open_data

SHARED = Path(__file__).resolve().parents[2] / "shared"
TRAIN = SHARED / "data" / "cifar10-train-4000.npz"
TEST = SHARED / "data" / "cifar10-test-jpeg.zip"
CLEAN = SHARED / "data" / "cifar10-lossless"
PREPARE = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


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


def clean_pictures() -> Data:
    """Return the 1,000 test pictures that were never compressed."""
    return open_data(f"{CLEAN}:test", PREPARE)
