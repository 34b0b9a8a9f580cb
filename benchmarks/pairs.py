"""Every code beside every other: ``python -m benchmarks.pairs`` writes results/pairs.json.

The network of tests/mixed.py, with one of its layers in a second code: they meet at a boundary, in a sum and
in a concatenation. For each pair: how far the two schedulers are apart, and how much worse the answer is than in the
coarser of the two codes alone.
"""

import json
from collections.abc import Iterator
from functools import cache
from itertools import permutations
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tests.mixed import TEXTS, Mixed
from torch import Tensor

from benchmarks.zoo import snr
from canonic import Override, Settings, SpikingNetwork, convert

RESULTS = Path(__file__).parent / "results" / "pairs.json"
LAYERS = {"a": "a boundary and a sum", "b": "a boundary and a concatenation"}


def measured() -> Iterator[dict[str, Any]]:
    """Yield a row for each pair of codes and each layer that has the second."""
    torch.manual_seed(0)
    model, x = Mixed().eval(), torch.rand(16, 1, 4, 4)
    wanted = model(x)
    alone = cache(lambda code: snr(convert(model, [x], code=code, progress=False)(x), wanted))
    for first, second in permutations(TEXTS, 2):
        for layer in LAYERS:
            settings = Settings(overrides={layer: Override(code=second)})
            snn = convert(model, [x], code=first, settings=settings, progress=False)
            coarser = min(alone(first), alone(second))
            yield {
                "codes": [first, second],
                "layer": layer,
                "apart": _apart(snn, x),
                "loss_db": round(coarser - snr(snn(x), wanted), 2),
            }


def _apart(snn: SpikingNetwork, x: Tensor) -> float:
    """Return the largest difference of the schedulers at any step, relative to the largest output."""
    layerwise, clocked = snn.readout(x), snn.readout(x, scheduler="clocked")
    return float((layerwise - clocked).abs().max() / layerwise.abs().max())


def main() -> None:
    """Measure all pairs."""
    torch.set_num_threads(1)
    with torch.no_grad():
        rows = list(measured())
    losses = [row["loss_db"] for row in rows]
    whole = {
        "command": "python -m benchmarks.pairs",
        "networks": len(rows),
        "most_apart": max(row["apart"] for row in rows),
        "median_loss_db": median(losses),
        "largest_loss_db": max(losses),
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(whole, indent=1) + "\n")
    print({name: value for name, value in whole.items() if name != "rows"})


if __name__ == "__main__":
    main()
