"""Paired timing: what is compared runs in turns in one process, and only ratios of medians are kept."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Run = Callable[[], Any]


def medians(
    runs: Mapping[str, Run], rounds: int = 9, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Return the median seconds of each, measured in turns after one round that warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    with torch.inference_mode():
        for turn in range(rounds + 1):
            for name, run in runs.items():
                start = clock()
                run()
                if turn:
                    seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def source(model: nn.Module, x: Tensor) -> Run:
    """Return the fp32 source network in its fastest layout."""
    fast = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    given = x.contiguous(memory_format=torch.channels_last)
    return lambda: fast(given)
