"""Conversion, then training: thresholds from what a trained network gets as spikes (Rathi et al., arXiv 2005.01807)."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from canonic.codes.encoders import Poisson
from canonic.learn.modules import Encode
from canonic.learn.population import Population
from canonic.learn.schedule import unroll

TOGETHER = 128
"""Samples that are run at once."""


def balance(
    layers: Iterable[nn.Module], x: Float[Tensor, "samples *shape"], steps: int, factor: float = 1.0, seed: int = 0
) -> None:
    """Give each population the threshold of the largest current that it gets, times a factor.

    The first one gets its threshold first; those before a population spike with the whole of theirs.

    Args:
        layers: what stands behind the encoder, one after the other; thresholds are tensors of one number.
        x: samples in [-1, 1], which come as Poisson spikes.
        steps: of their trains, as a rule many more than those of the training.
        factor: of all thresholds, in the end.
        seed: of the trains.
    """
    net = nn.Sequential(Encode(Poisson(steps)), *layers).eval()
    populations = [m for m in net if isinstance(m, Population) and "fixed_theta" in dict(m.named_buffers())]
    parts = [x[first : first + TOGETHER] for first in range(0, len(x), TOGETHER)]
    for population in populations:
        largest = max(peak(net, population, part, steps, seed) for part in parts)
        population.get_buffer("fixed_theta").fill_(largest if largest > 0 else 1.0)
    for population in populations:
        population.get_buffer("fixed_theta").mul_(factor)


def peak(net: nn.Module, population: nn.Module, x: Float[Tensor, "batch *shape"], steps: int, seed: int) -> float:
    """Return the largest current that a population gets."""
    found = list[float]()
    handle = population.register_forward_pre_hook(lambda _, given: found.append(float(given[0].max())))
    try:
        with torch.no_grad():
            unroll(net, x, steps, seed=seed)
    finally:
        handle.remove()
    return found[0]
