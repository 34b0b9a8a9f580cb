"""Architectures written by others, in spikes: ``python -m benchmarks.zoo [NAME ...]``.

Small networks with random weights (tests/zoo.py), calibrated on 192 inputs and measured on 64 others, with T = 8 and
T = 12 and the silent steps chosen by measurement.
"""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from tests.zoo import ZOO, Inputs, build, inputs
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from canonic import CSS, ConversionError, Settings, SpikingNetwork, convert

GOALS = {8: 28.0, 12: 45.0}
"""The SNR in dB that each T should reach."""

CALIBRATION, TEST = 192, 64
NOISE = 1e-4
"""Size of the noise on the input that shows how much a network amplifies noise, relative to the input."""

Row = dict[str, Any]


def snr(found: object, wanted: object) -> float:
    """Return the signal-to-noise ratio in dB of all tensors of an answer.

    >>> round(snr([torch.tensor([1.0, 1.1])], [torch.tensor([1.0, 1.0])]), 1)
    23.0
    """
    pairs = list(zip(pytree.tree_leaves(found), pytree.tree_leaves(wanted), strict=True))
    signal = sum(float(right.double().square().sum()) for _, right in pairs)
    error = sum(float((left - right).double().square().sum()) for left, right in pairs)
    return 10 * math.log10(signal / error) if error else math.inf


def measure(name: str, steps: int) -> Row:
    """Return the row of one network: what it came to, or its refusal."""
    model, test, start = build(name), inputs(name, TEST, seed=2), time.perf_counter()
    try:
        snn = converted(name, model, steps, silent=None)
    except ConversionError as error:
        return {"network": name, "T": steps, "refused": str(error).splitlines()[:2][-1].strip()}
    except Exception as error:  # noqa: BLE001 - a defect of the converter is a result too
        return {"network": name, "T": steps, "refused": f"defect: {type(error).__name__}: {error}"}
    with torch.no_grad():
        wanted = model(*test)
    reached = snr(snn(*test), wanted)
    row = {"network": name, "T": steps, "SNR": reached, **size(snn), "seconds": time.perf_counter() - start}
    if reached < GOALS.get(steps, -math.inf):
        row["k = T"] = snr(converted(name, model, steps, silent=steps)(*test), wanted)
        row["amplification"] = amplification(model, test, wanted)
    return row


def converted(name: str, model: nn.Module, steps: int, silent: int | None) -> SpikingNetwork:
    """Return the spiking network, with silent steps chosen by measurement if None."""
    settings = Settings(silent="auto") if silent is None else Settings()
    code = CSS(steps=steps, silent=silent or 1)
    return convert(model, [inputs(name, CALIBRATION, seed=1)], code=code, settings=settings, progress=False)


def size(snn: SpikingNetwork) -> Row:
    """Return populations, depth, steps, silent steps and function units of a network."""
    codes = [node.neurons.code or snn.code for node in snn.graph.populations]
    return {
        "populations": len(codes),
        "depth": snn.depth,
        "total steps": snn.total_steps,
        "least k": min(code.silent for code in codes),
        "largest k": max(code.silent for code in codes),
        "function units": sum(node.kind == "function unit" for node in snn.graph.nodes),
    }


def amplification(model: nn.Module, given: Inputs, wanted: object) -> float | None:
    """Return by how many dB the source network makes small noise on its input larger; None for tokens."""
    if not all(x.is_floating_point() for x in given):
        return None
    with torch.no_grad():
        answer = model(*(noisy(x) for x in given))
    return -20 * math.log10(NOISE) - snr(answer, wanted)


def noisy(x: Tensor) -> Tensor:
    """Return a batch with noise of relative size NOISE."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return x + NOISE * float(x.square().mean().sqrt()) * noise


def measure_all(names: Sequence[str] = tuple(ZOO), steps: Sequence[int] = tuple(GOALS)) -> Iterator[Row]:
    """Yield the rows of these networks, each at every T."""
    for name in names:
        for count in steps:
            yield measure(name, count)


def line(row: Row) -> str:
    """Return a row as a line of text, and why it misses the goal if it does.

    >>> line({"network": "lstm", "T": 8, "refused": "it loops"}).split()
    ['lstm', '8', 'it', 'loops']
    """
    start = f"{row['network']:20} {row['T']:>3}"
    if "refused" in row:
        return f"{start}  {row['refused']}"
    counts = f"{row['populations']:>5} {row['depth']:>6} {row['total steps']:>6} {row['function units']:>6}"
    text = f"{start} {row['SNR']:6.1f} {counts}  {row['least k']}-{row['largest k']:<2} {row['seconds']:6.1f}"
    return f"{text}  {why(row)}" if "k = T" in row else text


def why(row: Row) -> str:
    """Return the two references of a network that misses the goal."""
    known = row["amplification"]
    amplified = "" if known is None else f"; the source amplifies noise by {known:.1f} dB"
    return f"under {GOALS[row['T']]:.0f} dB: with k = T, only rounding and clipping left, {row['k = T']:.1f}{amplified}"


def main(names: Sequence[str]) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"{'network':20} {'T':>3} {'SNR dB':>6} {'popul':>5} {'depth':>6} {'steps':>6} {'units':>6}  k    {'s':>6}")
    for row in measure_all(names or tuple(ZOO)):
        print(line(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
