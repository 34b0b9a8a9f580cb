"""A step of training a LIF network, beside SpikingJelly: time, bytes that the graph keeps, gradients.

``PYTHONPATH=src .venv-peers/bin/python -m benchmarks.peers.training``: both in one process, in turns, with the same
weights and the same input, a stream ``[time, 128, 1, 28, 28]``. The network: two convolutions with batch norm and LIF
neurons (leak 1/2, hard reset, detached, triangle), average pooling, one linear layer.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from canonic.learn import LIF, Population, unroll

BATCH, TURNS = 128, 7
Step = Callable[[], Tensor]


def ours() -> nn.Module:
    """Return the network with populations."""

    def neurons() -> nn.Module:
        return Population(LIF(leak=0.5, reset="hard", detach_reset=True))

    first = (nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), neurons(), nn.AvgPool2d(2))
    second = (nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), neurons(), nn.AvgPool2d(2))
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(1568, 10))


def theirs() -> nn.Module:
    """Return the network of SpikingJelly, all steps at once, on torch."""

    def neurons() -> nn.Module:
        slope = surrogate.PiecewiseQuadratic(alpha=1.0)  # the triangle
        node: nn.Module = neuron.LIFNode(2.0, False, surrogate_function=slope, detach_reset=True, step_mode="m")
        return node

    first = (layer.Conv2d(1, 16, 3, padding=1), layer.BatchNorm2d(16), neurons(), layer.AvgPool2d(2))
    second = (layer.Conv2d(16, 32, 3, padding=1, bias=False), layer.BatchNorm2d(32), neurons(), layer.AvgPool2d(2))
    net = nn.Sequential(*first, *second, layer.Flatten(), layer.Linear(1568, 10))
    functional.set_step_mode(net, "m")
    return net


def our_step(net: nn.Module, x: Tensor, y: Tensor, *, constant: bool = False) -> Tensor:
    """Return the loss of a batch."""
    run = unroll(net, x[0], steps=len(x)) if constant else unroll(net, x)
    return nn.functional.cross_entropy(run.output.mean(0), y)


def their_step(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return the loss of a batch."""
    functional.reset_net(net)
    return nn.functional.cross_entropy(net(x).mean(0), y)


def saved(step: Step) -> int:
    """Return the bytes that the graph of a step keeps, each storage once."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        torch.autograd.backward(step())
    return sum(kept.values())


def gradients(net: nn.Module, step: Step) -> tuple[Tensor, ...]:
    """Return the gradients of a step."""
    return torch.autograd.grad(step(), tuple(net.parameters()))


def seconds(step: Step) -> float:
    """Return the time of a step, forward and backward."""
    start = time.perf_counter()
    torch.autograd.backward(step())
    return time.perf_counter() - start


def row(steps: int) -> dict[str, float]:
    """Return what T steps take, ours over theirs."""
    torch.manual_seed(0)
    mine, peer = ours(), theirs()
    peer.load_state_dict(mine.state_dict())
    x, y = torch.rand(steps, BATCH, 1, 28, 28), torch.randint(10, (BATCH,))
    both = {
        "ours": lambda: our_step(mine, x, y),
        "constant": lambda: our_step(mine, x, y, constant=True),
        "theirs": lambda: their_step(peer, x, y),
    }
    pairs = zip(gradients(mine, both["ours"]), gradients(peer, both["theirs"]), strict=True)
    apart = max((a - b).abs().max().item() for a, b in pairs)
    kept = {name: saved(step) for name, step in both.items()}
    times: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(TURNS):
        for name, step in both.items():
            times[name].append(seconds(step))
    best = {name: min(found) for name, found in times.items()}
    return {
        "steps": steps,
        "gradients apart": apart,
        "time over theirs": best["ours"] / best["theirs"],
        "time over theirs, constant input": best["constant"] / best["theirs"],
        "saved over theirs": kept["ours"] / kept["theirs"],
        "saved MB": kept["ours"] / 1e6,
        "seconds": best["ours"],
    }


def main() -> None:
    """Print a row for 4 and for 16 steps, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row(steps) for steps in (4, 16)]
    print(json.dumps(rows, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
