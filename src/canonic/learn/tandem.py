"""Progressive tandem learning: a trained network becomes a spiking one layer by layer, the rest learning on its spikes.

Forward integrate and fire, ``u += I; s = H(u - theta); u -= theta s``, a spike being worth theta; backward that of the
ReLU of the mean current, which shares its weights (Wu et al., TPAMI 2022, arXiv 2007.01204).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from canonic.errors import CanonicError
from canonic.learn.gradients import standing_for
from canonic.learn.modules import Mean
from canonic.learn.population import Population
from canonic.learn.schedule import unroll
from canonic.neurons.rules import IF, Rule

SHARE = 0.999
"""Of what a layer sends, this share lies at or below what its neurons can send."""


@dataclass(frozen=True)
class Coupled:
    """The gradient of ``relu(I)``, I being the mean current, for spikes whose mean stands for that number."""

    def __call__(
        self,
        rule: Rule,  # noqa: ARG002 - as of every gradient of a population
        currents: Float[Tensor, "time batch *shape"],
        spikes: Float[Tensor, "time batch *shape"],
        recurrent: nn.Module | None,
    ) -> Float[Tensor, "time batch *shape"]:
        """Return the spikes, with this gradient.

        Raises:
            CanonicError: if the population is recurrent.
        """
        if recurrent is not None:
            raise CanonicError("Coupled is for populations without recurrence: take Equilibrium")
        return standing_for(spikes, currents.mean(0).relu())


class Tandem(nn.Module):
    """What stands where a ReLU stood: that ReLU, of the mean of all steps, until it has its turn; spikes from then on.

    Attributes:
        spiking: whether it had its turn.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spiking, self.mean = False, Mean()
        self.neurons = Population(IF(theta=torch.ones(())), Coupled())

    def forward(self, rows: Float[Tensor, "rows *shape"]) -> Float[Tensor, "others *shape"]:
        """Return its spikes of all steps, or one number for all of them."""
        if self.spiking:
            return self.neurons(rows)  # type: ignore[no-any-return]
        return torch.relu(self.mean(rows))


def have_turn(net: nn.Module, number: int, x: Float[Tensor, "samples *shape"], steps: int) -> None:
    """Let one ``Tandem`` of a network spike, and keep the layers before it as they are.

    Its threshold is such that ``SHARE`` of what the ReLU makes of some samples can be sent in these steps. The ones
    before it spike already.

    Args:
        net: whose ``Tandem`` are in the order in which they are called.
        number: of the one, from 0.
        x: the samples.
        steps: T.

    Raises:
        CanonicError: if there is no such ``Tandem``.
    """
    layers = [module for module in net.modules() if isinstance(module, Tandem)]
    if not 0 <= number < len(layers):
        raise CanonicError(f"the network has {len(layers)} Tandem, there is none of number {number}: count from 0")
    layer, seen = layers[number], list[Tensor]()
    layer.spiking = True
    handle = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        with torch.no_grad():
            unroll(net.eval(), x, steps)
    finally:
        handle.remove()
    numbers = seen[0].view(-1, len(x), *seen[0].shape[1:]).mean(0).relu().flatten()
    layer.neurons.get_buffer("fixed_theta").copy_(reached(numbers))
    if number:
        keep_until(net, layers[number - 1])


def reached(numbers: Float[Tensor, " many"]) -> Float[Tensor, ""]:
    """Return the number that ``SHARE`` of them do not exceed; 1 where that is nothing.

    >>> reached(torch.arange(1001.0)).item()
    999.0
    """
    highest = numbers.kthvalue(math.ceil(SHARE * len(numbers))).values
    return torch.where(highest > 0, highest, torch.ones_like(highest))


def keep_until(net: nn.Module, last: nn.Module) -> None:
    """Take all parameters up to a module out of the training, those of modules before it too."""
    for module in net.modules():
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
        if module is last:
            return
