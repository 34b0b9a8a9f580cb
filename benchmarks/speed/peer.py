"""SpikingJelly and sinabs on the same trained network, in their environment: accuracy by step, and time.

    python -m benchmarks.speed.peer spikingjelly given.pt

SpikingJelly is read out behind the delay that it estimates, for both recipes; sinabs is given the input at every step,
its answer is the mean output. The time is that of the steps alone, beside the source network in turns.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.resnet import resnet20
from benchmarks.speed.networks import with_modules
from benchmarks.speed.turns import medians, source

STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
BELOW = 0.5
"""Points of accuracy that may be lost."""

Respond = Callable[[Tensor, int], Tensor]
"""Returns the output at every step."""


def spikingjelly_ways(model: nn.Module, calibration: Tensor) -> dict[str, tuple[Respond, Callable[[int], int]]]:
    """Return each recipe's network, and where its answer begins after so many steps."""
    from loguru import logger
    from spikingjelly.activation_based import ann2snn, functional

    logger.remove()
    batches = list(torch.split(calibration, 32))
    robust = {"channel_wise": True, "pre_spike_maxpool": True, "half_threshold": True}
    recipes = {
        "local threshold balancing": ann2snn.LocalThresholdBalancingRecipe(dataloader=batches * 12),
        "99.9 %": ann2snn.RateCodingRecipe(dataloader=batches, mode="99.9%", **robust),
    }

    def way(recipe: Any) -> tuple[Respond, Callable[[int], int]]:
        snn = ann2snn.FXConverter(recipe).convert(model).eval()

        def respond(x: Tensor, steps: int) -> Tensor:
            functional.reset_net(snn)
            return torch.stack([snn(x) for _ in range(steps)])

        return respond, lambda steps: int(ann2snn.estimate_delay_start(snn, batches[:1], "cpu", steps))

    return {name: way(recipe) for name, recipe in recipes.items()}


def sinabs_ways(model: nn.Module, _: Tensor) -> dict[str, tuple[Respond, Callable[[int], int]]]:
    """Return sinabs' network; a ResNet is no chain, so that its weights cannot be normalised."""
    from sinabs.from_torch import from_model

    def respond(x: Tensor, steps: int) -> Tensor:
        snn = from_model(model, batch_size=len(x)).spiking_model
        flat = x.unsqueeze(1).expand(-1, steps, *x.shape[1:]).flatten(0, 1)
        outputs: Tensor = snn(flat).unflatten(0, (len(x), steps)).transpose(0, 1)
        return outputs

    return {"as it is": (respond, lambda _: 0)}


def survey(tool: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return for each way the accuracy after each number of steps, the fewest that suffice, and its time."""
    model = with_modules(resnet20())
    model.load_state_dict(given["model"])
    exact = accuracy(model(given["x"]), given["y"])
    ways = {"spikingjelly": spikingjelly_ways, "sinabs": sinabs_ways}[tool](model, given["calibration"])
    found = {}
    for name, (respond, start) in ways.items():
        outputs = torch.cat([respond(x, max(STEPS)) for x in torch.split(given["x"], 64)], 1)
        reached = {t: accuracy(outputs[start(t) : t].mean(0), given["y"]) for t in STEPS}
        enough = [t for t in STEPS if reached[t] >= exact - BELOW]
        steps = enough[0] if enough else max(STEPS)
        batch = given["x"][:64]
        seconds = medians({"source": source(model, batch), "spiking": lambda: respond(batch, steps)}, 5)  # noqa: B023
        ratio = seconds["spiking"] / seconds["source"]
        found[name] = {"accuracy": reached, "steps": steps, "reaches": bool(enough), "ratio": ratio}
    return {"source accuracy": exact, "ways": found}


def accuracy(outputs: Tensor, y: Tensor) -> float:
    """Return per cent."""
    return 100 * float((outputs.argmax(-1) == y).double().mean())


def main() -> None:
    """Print one JSON object."""
    given = torch.load(sys.argv[2], weights_only=True)
    torch.set_num_threads(given.pop("threads"))
    with torch.no_grad():
        print(json.dumps(survey(sys.argv[1], given)))


if __name__ == "__main__":
    main()
