"""The demo: a small network with batch norm, max pooling and a residual branch, trained on handwritten digits."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from canonic.codes import CSS
from canonic.conversion import convert
from canonic.datasets import open_data
from canonic.frontend import export
from canonic.measure import Evaluation, evaluate
from canonic.progress import track
from canonic.report import accuracy_against_steps, save_figure

STEPS = (2, 3, 4, 6, 8)
TRAINED = 1297
"""Digits to train on; the other 500 are the test."""


class DigitNet(nn.Module):
    """Convolution, batch norm, max pooling, a residual block, and a linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.conv1 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.classifier = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of a batch ``[batch, 1, 8, 8]``."""
        x = F.max_pool2d(F.relu(self.bn(self.stem(x))), 2)
        y = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(y)) + x)
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


def train(data: DataLoader[tuple[Tensor, int]], epochs: int) -> DigitNet:
    """Return the network, trained."""
    model = DigitNet()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=epochs * len(data))
    for _ in track(range(epochs), "train the source network"):
        for x, y in data:
            optimiser.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return model.eval()


def run_demo(out: Path, epochs: int = 15) -> dict[str, Evaluation]:
    """Train, convert for every T, measure; write the picture and the last network into a folder."""
    digits = open_data("digits")
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0)).tolist()
    known, unseen = Subset(digits, order[:TRAINED]), Subset(digits, order[TRAINED:])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = train(DataLoader(known, batch_size=64, shuffle=True, drop_last=True), epochs)
    out.mkdir(parents=True, exist_ok=True)
    program = export(model, known[0][0][None])
    results = {}
    for steps in track(STEPS, "convert and measure"):
        snn = convert(program, DataLoader(known, batch_size=100), code=CSS(steps=steps, silent=1))
        results[f"T = {steps}"] = evaluate(snn, DataLoader(unseen, batch_size=100), reference=model)
    snn.save(out / "network.safetensors")
    save_figure(accuracy_against_steps(results, "handwritten digits, k = 1"), out / "accuracy.png")
    return results
