"""Train one of the four networks on Fashion-MNIST (Xiao et al., 2017): ``python -m examples.fashion_mnist vit``.

The pictures are expected in the folder shared/data/fashion-mnist beside this project, or in one given second.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from canonic.datasets import Preprocessing
from canonic.datasets.idx import pictures_in_idx
from examples.networks import NETWORKS, WEIGHTS

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "fashion-mnist"
SEED = 0


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Args:
        epochs: passes over the 60,000 pictures.
        batch: pictures in each step.
        rate: of learning, at its highest.
        decay: of the weights.
        bfloat16: multiply in bfloat16, which pays for wide layers; the weights stay float32.
    """

    epochs: int
    batch: int
    rate: float
    decay: float = 0.05
    bfloat16: bool = False


RECIPES = {
    "vit": Recipe(epochs=12, batch=32, rate=1e-3),
    "convnext": Recipe(epochs=8, batch=128, rate=4e-3, bfloat16=True),
    "mobilenet": Recipe(epochs=8, batch=64, rate=4e-3),
    "vgg": Recipe(epochs=5, batch=64, rate=2e-3),
}


def pictures(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Return pictures ``[samples, 1, 28, 28]`` in [0, 1] and their classes; the parts are train and t10k."""
    data = pictures_in_idx(folder / f"{part}-images-idx3-ubyte.gz", Preprocessing())
    samples = [data[index] for index in range(len(data))]
    return torch.stack([x for x, _ in samples]), torch.tensor([y for _, y in samples])


def batches(x: Tensor, y: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the pictures in random order, every second one of them mirrored, in whole batches."""
    order = torch.randperm(len(x))[: len(x) // size * size]
    for chosen in torch.split(order, size):
        mirrored = torch.rand(size, 1, 1, 1) < 0.5
        yield torch.where(mirrored, x[chosen].flip(3), x[chosen]), y[chosen]


def train(model: nn.Module, x: Tensor, y: Tensor, recipe: Recipe) -> None:
    """Train a network in place: AdamW, the rate warmed up and then lowered along a cosine."""
    steps = recipe.epochs * (len(x) // recipe.batch)
    optimiser = torch.optim.AdamW(model.parameters(), recipe.rate, weight_decay=recipe.decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, steps, pct_start=0.15)
    for epoch in range(recipe.epochs):
        start, total = time.perf_counter(), torch.zeros(())
        for inputs, classes in batches(x, y, recipe.batch):
            loss = _loss(model, inputs, classes, recipe.bfloat16)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.detach()
        mean = float(total) / (len(x) // recipe.batch)
        print(f"epoch {epoch + 1}: loss {mean:.3f}, {time.perf_counter() - start:.0f} s", flush=True)


def _loss(model: nn.Module, x: Tensor, y: Tensor, bfloat16: bool) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits = model(x)
    return F.cross_entropy(logits.float(), y, label_smoothing=0.05)


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the share of pictures whose class the network finds."""
    model.eval()
    return float(torch.cat([model(part).argmax(1) for part in torch.split(x, 500)]).eq(y).float().mean())


def main(name: str, folder: Path = FOLDER) -> None:
    """Train a network, write its weights and print its accuracy on the 10,000 test pictures."""
    torch.manual_seed(SEED)
    model = NETWORKS[name]().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    start = time.perf_counter()
    train(model, *pictures(folder, "train"), RECIPES[name])
    minutes = (time.perf_counter() - start) / 60
    WEIGHTS.mkdir(exist_ok=True)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, WEIGHTS / f"{name}.safetensors")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    correct = accuracy(model, *pictures(folder, "t10k"))
    print(f"{name}: {correct:.2%} of the test pictures, {parameters:,} parameters, {minutes:.1f} minutes")


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
