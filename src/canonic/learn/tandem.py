"""Progressive tandem learning: a trained network becomes a spiking one layer by layer, the rest learning on its spikes.

A layer that spikes sends counts, in closed form; backward stands the ReLU that it was, which shares its weights (Wu et
al., TPAMI 2022, arXiv 2007.01204):

    c = clip(floor(z / theta), 0, T),        a = relu(z),        theta c = a + sg(theta c - a)

with sg for what has no gradient. It is what an integrate-and-fire neuron sends in T steps that was given all of z
before, however that came: the code ``count``.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from canonic.checks import whole
from canonic.codes.rate import LONGEST
from canonic.errors import CanonicError

SHARE = 0.999
"""Of what a layer sends, this share lies at or below what its neurons can send."""


class Tandem(nn.Module):
    """What stands where a ReLU stood: that ReLU, until it has its turn; the counts of T steps from then on.

    Args:
        steps: T.

    Raises:
        CanonicError: if they are out of range.

    >>> layer = Tandem(steps=4)
    >>> layer(torch.tensor([-1.0, 0.625, 5.0])).tolist()
    [0.0, 0.625, 5.0]
    >>> layer.theta.fill_(0.25)
    tensor(0.2500)
    >>> layer(torch.tensor([-1.0, 0.625, 5.0])).tolist()
    [0.0, 0.5, 1.0]
    """

    theta: Tensor

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = whole("steps of Tandem", steps, 1, LONGEST, "16 is published")
        self.register_buffer("theta", torch.tensor(0.0))

    @property
    def spiking(self) -> bool:
        """Whether it had its turn: then a spike is worth theta."""
        return bool(self.theta > 0)

    def forward(self, z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return what it sends."""
        a = torch.relu(z)
        if not self.spiking:
            return a
        counts = (z.detach() / self.theta).floor().clamp(0, self.steps)
        return counts * self.theta + (a - a.detach())

    def extra_repr(self) -> str:
        """Return its steps, and what a spike is worth."""
        return f"steps={self.steps}, theta={float(self.theta):.3g}"


def have_turn(net: nn.Module, number: int, x: Float[Tensor, "samples *shape"]) -> None:
    """Let one ``Tandem`` of a network spike, and keep the layers before it as they are.

    Its threshold is such that ``SHARE`` of what the ReLU makes of some samples can be sent in its steps. The ones
    before it spike already.

    Args:
        net: whose ``Tandem`` are in the order in which they are called.
        number: of the one, from 0.
        x: the samples.

    Raises:
        CanonicError: if there is no such ``Tandem``.

    >>> net = nn.Sequential(nn.Linear(2, 3), Tandem(4), nn.Linear(3, 3), Tandem(4), nn.Linear(3, 2))
    >>> have_turn(net, 0, torch.rand(50, 2)), have_turn(net, 1, torch.rand(50, 2))
    (None, None)
    >>> [parameter.requires_grad for parameter in net.parameters()]
    [False, False, True, True, True, True]
    """
    layers = tandems(net)
    if not 0 <= number < len(layers):
        raise CanonicError(f"the network has {len(layers)} Tandem, there is none of number {number}: count from 0")
    layer, seen = layers[number], list[Tensor]()
    handle = layer.register_forward_hook(lambda _module, given, _sent: seen.append(given[0].relu()))
    try:
        with torch.no_grad():
            net.eval()(x)
    finally:
        handle.remove()
    layer.theta.copy_(reached(seen[0].flatten()) / layer.steps)
    if number:
        keep_until(net, layers[number - 1])


def tandems(net: nn.Module) -> list[Tandem]:
    """Return the ``Tandem`` of a network."""
    return [module for module in net.modules() if isinstance(module, Tandem)]


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
