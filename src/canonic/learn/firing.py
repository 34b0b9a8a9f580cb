"""A network of spike times, run: what its layers did, and what its neurons lack."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose

from jaxtyping import Float
from torch import Tensor, nn

from canonic.errors import DataError
from canonic.learn.events import EventConv2d, EventInput, EventLinear, EventPool, Neuron, Times
from canonic.neurons.current_based import CurrentBased
from canonic.words import one

Layer = EventLinear | EventConv2d


@dataclass(frozen=True)
class Events:
    """What a network of spike times did.

    Attributes:
        output: the times of the last layer, ``[batch, spikes, *shape]``.
        times: likewise of each layer of neurons, by its name; the last is the output.
        silence: how much weight a neuron lacks to be sure to fire, on average, added up over layers.
        additions: of weights.
    """

    output: Times
    times: Mapping[str, Times]
    silence: Float[Tensor, ""]
    additions: int


def fire(net: nn.Sequential, x: Float[Tensor, "batch *shape"], enough: float = 0.0) -> Events:
    """Return what a network of spike times does with numbers.

    Args:
        net: an ``EventInput``, and then layers of events.
        x: numbers in [0, 1].
        enough: a neuron lacks what the weights of its events, added up, are below this.

    Raises:
        DataError: if a layer is none of events, gets what it cannot read, or times in another unit than its own.
    """
    if not isinstance(net, nn.Sequential):
        raise DataError(
            f"a network of spike times is an nn.Sequential, got {one(type(net).__name__)}: put its layers in one"
        )
    _require_one_unit(net)
    e, times, silence, additions = x, dict[str, Tensor](), x.new_zeros(()), 0
    for name, layer in net.named_children():
        if isinstance(layer, Layer):
            did = layer.did(e)
            silence, additions = silence + (enough - did.drive).relu().mean(), additions + did.additions
            e = times[name] = did.times
        elif isinstance(layer, EventInput | EventPool):
            e = layer(e)
        else:
            raise DataError(
                f"layer {name} is a {type(layer).__name__}: a network of spike times has EventInput, EventLinear, "
                "EventConv2d and EventPool"
            )
    return Events(e, times, silence, additions)


def _require_one_unit(net: nn.Sequential) -> None:
    """Raise a DataError if a layer reads times in another e than the one before it sends them in."""
    sender: tuple[str, float | None, str] | None = None
    for name, layer in net.named_children():
        if isinstance(layer, EventInput):
            sender = name, layer.tau, "take EventInput(shape, tau={})"
        elif isinstance(layer, Layer) and not _unknown(layer.neuron):
            unit = layer.neuron.unit
            if sender and not _alike(sender[1], unit):
                sent, remedy = _form(sender[1]), sender[2].format(unit)
                raise DataError(f"layer {name} reads times as {_form(unit)}, layer {sender[0]} sends {sent}: {remedy}")
            sender = name, unit, "give the neurons of both one time constant"


def _unknown(neuron: Neuron) -> bool:
    return isinstance(neuron, CurrentBased) and neuron.unit is None


def _alike(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else isclose(one, other)


def _form(unit: float | None) -> str:
    return "e = t" if unit is None else f"e = exp(t / {unit:g})"
