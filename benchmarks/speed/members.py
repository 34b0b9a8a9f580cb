"""The speed of members of the family, of single pictures too, and how often they agree: of ``make bench-speed``."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from examples.networks import trained
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import cifar
from benchmarks.imagenet.subjects import SUBJECTS
from benchmarks.speed import networks
from benchmarks.speed.turns import medians, source
from benchmarks.trained import pictures
from canonic import CSS, SpikingNetwork
from canonic.conversion import convert
from canonic.datasets import sample
from canonic.errors import ConversionError
from canonic.network.graph import Precision

MEMBERS = CSS(8, 1), CSS(4, 0, 4.0, levels=16), CSS(2, 0, 16.0, levels=64)
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")
Batches = DataLoader[Any]


@dataclass(frozen=True)
class Timed:
    """A network, what calibrates it, pictures that it answers, and how many of them it is timed with.

    Attributes:
        model: makes it.
        calibration: batches.
        answered: batches; None where weights are random, so that answers say nothing.
        batch: samples, beside one alone.
    """

    model: Callable[[], nn.Module]
    calibration: Callable[[], Batches]
    answered: Callable[[], Batches]
    batch: int
    random: bool = False


def random_pictures() -> Batches:
    """Return 64 random pictures."""
    return DataLoader(TensorDataset(networks.pictures(64), torch.zeros(64)), batch_size=64)


NETWORKS = {
    "resnet20": Timed(
        lambda: networks.with_modules(cifar.trained("resnet20")),
        lambda: DataLoader(sample(cifar.training_pictures(), 500), batch_size=100),
        lambda: DataLoader(sample(cifar.test_pictures(), 1000), batch_size=100),
        64,
    ),
    "vgg16-bn": Timed(networks.vgg16, random_pictures, random_pictures, 32, random=True),
    "mobilenet_v2": Timed(
        SUBJECTS["mobilenet_v2"].model,
        partial(SUBJECTS["mobilenet_v2"].photos, 0, 50),
        partial(SUBJECTS["mobilenet_v2"].photos, 100, 100),
        8,
    ),
    "vit": Timed(partial(trained, "vit"), partial(pictures, "train", 500), partial(pictures, "t10k", 1000), 64),
}


def members() -> list[dict[str, Any]]:
    """Return the time of each network in each member and precision over that of its source, one thread."""
    torch.set_num_threads(1)
    rows = []
    for name, timed in NETWORKS.items():
        model = timed.model().eval()
        x = torch.cat([batch for batch, _ in timed.answered()])[: timed.batch]
        for code in MEMBERS:
            snn = convert(model, timed.calibration(), code=code, progress=False)
            for precision in PRECISIONS:
                kept = {"network": name, "code": code.to_json(), "precision": precision, "batch": len(x)}
                rows.append(kept | figures(model, snn, precision, x, timed))
                print(rows[-1], flush=True)
    return rows


def figures(model: nn.Module, snn: SpikingNetwork, precision: Precision, x: Tensor, timed: Timed) -> dict[str, Any]:
    """Return the times of a batch and of one sample, and the agreement; why there are none, where it is refused."""
    try:
        ready = snn.to_precision(precision).compile()
        both = {"ratio": ratio(model, ready, x), "alone": ratio(model, ready, x[:1])}
    except ConversionError as error:
        return {"ratio": None, "alone": None, "agreement": None, "refused": str(error)}
    return both | {"agreement": None if timed.random else agreement(model, ready, timed.answered())}


def ratio(model: nn.Module, snn: SpikingNetwork, x: Tensor) -> float:
    """Return the time of a network over that of its source, in turns."""
    seconds = medians({"source": source(model, x), "spiking": lambda: snn(x)})
    return seconds["spiking"] / seconds["source"]


def agreement(model: nn.Module, snn: SpikingNetwork, data: Batches) -> float:
    """Return the per cent of samples that a network answers as its source does."""
    with torch.inference_mode():
        hits = [snn(x).argmax(-1) == model(x).argmax(-1) for x, _ in data]
    return 100 * float(torch.cat(hits).double().mean())
