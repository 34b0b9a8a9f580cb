"""The picture of the README: resnet20 after every step. ``python -m benchmarks.picture``."""

from pathlib import Path

from torch.utils.data import DataLoader

from benchmarks import cifar
from canonic import CSS, convert, evaluate
from canonic.datasets import sample
from canonic.report import accuracy_against_steps, save_figure

PATH = Path(__file__).parents[1] / "docs" / "images" / "resnet20.png"


def main() -> None:
    """Convert for three lengths of the code, measure 1,000 pictures, draw."""
    model = cifar.trained("resnet20")
    calibration = list(DataLoader(sample(cifar.training_pictures(), 1000), batch_size=100))
    test = list(DataLoader(sample(cifar.test_pictures(), 1000), batch_size=200))
    results = {}
    for steps in (4, 6, 8):
        snn = convert(model, calibration, code=CSS(steps=steps, silent=1))
        results[f"T = {steps}, {snn.total_steps} total steps"] = evaluate(snn, test, reference=model)
    save_figure(accuracy_against_steps(results, "resnet20, CIFAR-10 test pictures as JPEG, k = 1, depth 19"), PATH)
    print(f"written to {PATH}")


if __name__ == "__main__":
    main()
