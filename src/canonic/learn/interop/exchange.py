"""Copies of networks with other modules in the places of neurons, whatever library they are of."""

from collections.abc import Callable
from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from canonic.errors import CanonicError, ConversionError
from canonic.learn.population import Population
from canonic.neurons.surrogate import Surrogate

Exchange = Callable[[nn.Module], nn.Module | None]
"""What stands in the place of a module; None leaves it. It raises a ConversionError that says why there is no equal."""


SPIKING = ("canonic", "snntorch", "spikingjelly")
"""Libraries whose modules are nothing to each other."""


class Charged(nn.Module):
    """Neurons whose current counts ``1 - leak``, so that a constant one is where the membrane tends to.

    Args:
        neurons: a population whose rule has a leak.

    >>> from canonic.learn import LIF, unroll
    >>> net = Charged(Population(LIF(leak=0.5, theta=0.7)))
    >>> unroll(net, torch.tensor([[1.0]]), steps=4).output.flatten().tolist()
    [0.0, 1.0, 0.0, 1.0]
    """

    def __init__(self, neurons: Population) -> None:
        super().__init__()
        self.neurons, self.leak = neurons, single(getattr(neurons.rule, "leak", 0.0), "leak")

    def forward(self, rows: Float[Tensor, "rows *shape"]) -> Float[Tensor, "rows_of_all_steps *shape"]:
        """Return the spikes."""
        trained = self.neurons.trained
        leak = trained["leak"].sigmoid() if "leak" in trained else self.leak
        sent: Tensor = self.neurons(rows * (1 - leak))
        return sent


def exchanged(net: nn.Module, exchange: Exchange, library: str) -> nn.Module:
    """Return a copy of a network with other modules in it, which are in all places of what they stand for.

    Args:
        net: stays as it is.
        exchange: what stands for each module; what is inside one that is exchanged is not asked for.
        library: in which a module has no equal, for the message.

    Raises:
        ConversionError: if there is no equal of a module; the message names all of them.
    """
    swaps: dict[int, nn.Module] = {}
    refused: dict[str, str] = {}
    inside: tuple[str, ...] = ()
    for name, module in net.named_modules():
        if name.startswith(inside) and inside:
            continue
        try:
            own = exchange(module)
        except CanonicError as error:
            refused[name or type(module).__name__] = str(error)
            own = module
        if own is not None:
            swaps[id(module)] = own
            inside = (*inside, f"{name}.")
    if refused:
        told = "; ".join(f"{name}: {why}" for name, why in refused.items())
        raise ConversionError(f"the network has modules without equal in {library} ({told}): replace these first")
    return deepcopy(net, dict(swaps))


def library_of(kind: type) -> str:
    """Return the package of a class."""
    return kind.__module__.partition(".")[0]


def refuse_others(module: nn.Module, known: str) -> None:
    """Check that a module which stays as it is, or a kind that it is made of, is of no library but one.

    Raises:
        ConversionError: if it is.
    """
    kinds = [kind for kind in type(module).__mro__ if issubclass(kind, nn.Module)]
    library = next((name for name in map(library_of, kinds) if name in SPIKING and name != known), "")
    if library:
        of = "" if library == "canonic" else f" of {library}"
        raise ConversionError(f"{type(module).__name__}{of} has no equal")


def slope_of(spike: Callable[[Tensor], Tensor]) -> Surrogate:
    """Return spikes with the derivative that another library gives its own, whatever that is."""

    def slope(v: Tensor) -> Tensor:
        with torch.enable_grad():
            own = v.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(spike(own).sum(), own)
        return gradient

    return Surrogate(slope)


def number(value: object) -> float | Tensor:
    """Return a number, or a tensor of several."""
    if not isinstance(value, Tensor):
        return float(value)  # type: ignore[arg-type]
    return float(value.detach()) if value.numel() == 1 else value.detach().clone()


def single(value: float | Tensor, name: str) -> float:
    """Return a field of a rule that is one number.

    Raises:
        ConversionError: if it is several.
    """
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ConversionError(f"its {name} is one for each neuron")
    return float(value.detach() if isinstance(value, Tensor) else value)


def lone(population: Population, *trainable: str) -> None:
    """Check that a population has nothing but its rule, of which some fields are trained.

    Raises:
        ConversionError: if it has.
    """
    if population.recurrent is not None:
        raise ConversionError("its spikes come back to it")
    if population.gradient is not None:
        raise ConversionError(f"its gradient is {type(population.gradient).__name__}, and no slope")
    if extra := [name for name in population.trained if name not in trainable]:
        raise ConversionError(f"its {', '.join(extra)} is trained")
