"""Local tandem learning: each layer of a spiking network learns from the same layer of the network it was made of.

No error goes from one layer to another: what a layer reads is given, and what it sends, on average over the steps,
shall be what its teacher sends. The last layer learns from the labels (Yang et al., TPAMI 2024, arXiv 2305.16594).
"""

from copy import deepcopy
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from canonic.codes import Burst
from canonic.errors import CanonicError
from canonic.learn import losses
from canonic.learn.population import Population
from canonic.learn.schedule import Run, unroll
from canonic.learn.system import Forward
from canonic.neurons.bursting import Bursting

GRID = 1 - torch.arange(95) / 100
"""Thresholds that are tried, as parts of the largest number of a layer."""


class Local(nn.Module):
    """What stands where a ReLU stood: neurons that burst, and no gradient from behind them.

    The gradient of what they send goes to the layer before them, by way of ``Run.spikes``.

    Args:
        most: spikes of one step.
    """

    def __init__(self, most: int = 5) -> None:
        super().__init__()
        self.neurons = Population(Bursting(theta=torch.ones(()), most=most))

    def forward(self, rows: Float[Tensor, "rows *shape"]) -> Float[Tensor, "rows_of_all_steps *shape"]:
        """Return the spikes of all steps, without their graph."""
        sent: Tensor = self.neurons(rows)
        return sent.detach()


def teacher_of(net: nn.Module) -> nn.Module:
    """Return the network with a ReLU for each ``Local``, as it is now: it is trained no more.

    Raises:
        CanonicError: if there is no ``Local``.
    """
    teacher = deepcopy(net).eval().requires_grad_(False)
    for place in _places(net):
        teacher.set_submodule(place, nn.ReLU())
    return teacher


def activations(teacher: nn.Module, places: list[str], x: Float[Tensor, "batch *shape"]) -> dict[str, Tensor]:
    """Return what some modules of a network without time give for some samples, by their names."""
    found: dict[str, Tensor] = {}
    handles = [
        teacher.get_submodule(place).register_forward_hook(lambda _, __, out, place=place: found.update({place: out}))
        for place in places
    ]
    try:
        with torch.no_grad():
            teacher(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def choose_thresholds(net: nn.Module, x: Float[Tensor, "samples *shape"], steps: int) -> None:
    """Give each ``Local`` the threshold at which one spike a step says best what the ReLU in its place sends.

    Args:
        net: with the weights of its teacher.
        x: samples.
        steps: T.

    Raises:
        CanonicError: if there is no ``Local``.
    """
    places = _places(net)
    for place, numbers in activations(teacher_of(net), places, x).items():
        net.get_buffer(f"{place}.neurons.fixed_theta").copy_(closest(numbers, steps))


def closest(numbers: Float[Tensor, "*shape"], steps: int) -> Float[Tensor, ""]:
    """Return the V of the least mean of ``(a - floor(clamp(a T / V, 0, T)) V / T)^2``; 1 where all a are nothing.

    It is searched among 95 parts of the largest a.

    >>> round(closest(torch.tensor([0.3, 0.45, 1.2]), steps=2).item(), 2)
    0.89
    """
    code, largest = Burst(steps, most=1, start=0.0), numbers.max()
    if largest <= 0:
        return torch.ones_like(largest)
    thresholds = largest * GRID.to(numbers)
    errors = torch.stack([(numbers - v * code.quantise(numbers / v)).square().mean() for v in thresholds])
    return thresholds[errors.argmin()]


def taught_by(teacher: nn.Module, steps: int) -> Forward:
    """Return a forward pass of this many steps, with the loss of each layer beside its teacher.

    Args:
        teacher: as ``teacher_of`` gives it, for the network that is run.
        steps: T.
    """

    def forward(net: nn.Module, x: Tensor, seed: int | None) -> Run:
        run, places = unroll(net, x, steps, seed=seed), _places(net)
        wanted = activations(teacher, places, x)
        sent = {place: run.spikes[f"{place}.neurons"].mean(0) for place in places}
        return replace(run, losses={place: F.mse_loss(sent[place], wanted[place]) for place in places})

    return forward


def local(run: Run, y: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Return the cross entropy of the mean of the outputs, and the loss of each layer: gradients stay apart."""
    return losses.cross_entropy(run.output, y) + torch.stack(list(run.losses.values())).sum()


def _places(net: nn.Module) -> list[str]:
    """Return the names of all ``Local`` of a network."""
    places = [name for name, module in net.named_modules() if isinstance(module, Local)]
    if not places:
        raise CanonicError("the network has no Local that could learn from a layer: put one where a ReLU stands")
    return places
