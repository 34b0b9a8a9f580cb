"""SpikingJelly's IF, LIF, PLIF and PSN nodes, and its layers (Fang et al., Science Advances 2023, version 2).

A node has ``h = v - (v - v_reset) / tau + x``, or with ``decay_input`` ``h = v + (x - (v - v_reset)) / tau``,
``s = H(h - v_threshold)``, ``v = v_reset`` where it fired, or ``h - v_threshold s`` where ``v_reset`` is None. So the
leak is ``1 - 1 / tau``, membranes are counted from ``v_reset``, and a current that decays counts ``1 - leak``.
"""

from importlib import import_module
from typing import Any

import torch
from torch import nn

from canonic.errors import ConversionError
from canonic.learn.interop.exchange import Charged, exchanged, library_of, lone, refuse_others, single, slope_of
from canonic.learn.modules import Dropout
from canonic.learn.population import Population
from canonic.neurons.parallel import PSN
from canonic.neurons.rules import IF, LIF
from canonic.neurons.surrogate import Surrogate, atan, sigmoid, triangle

_CONTAINERS = ("SeqToANNContainer", "MultiStepContainer", "StepModeContainer")
_SLOPES = {
    "Sigmoid": sigmoid,
    "ATan": atan,
    "PiecewiseQuadratic": lambda alpha: triangle(alpha, 1 / alpha),
}


def from_spikingjelly(net: nn.Module) -> nn.Module:
    """Return a network of SpikingJelly as a module with populations, for ``unroll`` and ``as_network``.

    Weights are copied. Its steps are those of ``unroll``: nodes have no ``step_mode`` here, and nothing is reset. A
    parametric node's leak is trained, as the logit that is minus its ``w``.

    Args:
        net: of modules that are called once a step, or once for all steps; it stays as it is.

    Raises:
        ConversionError: if there is no equal of a module; the message names all of them.
    """
    copied = exchanged(net, _ours, "canonic")
    for module in copied.modules():
        if _theirs(module):
            module.__class__ = _plain(type(module))
    return copied


def to_spikingjelly(net: nn.Module) -> nn.Module:
    """Return a network with populations as one of SpikingJelly, in ``step_mode="m"``: it takes ``[time, batch, ...]``.

    Args:
        net: stays as it is.

    Raises:
        ConversionError: if SpikingJelly is not installed, or there is no equal of a module; the message names all.
    """
    try:
        neuron, layer, functional = (
            import_module(f"spikingjelly.activation_based.{name}") for name in ("neuron", "layer", "functional")
        )
    except ImportError as error:
        raise ConversionError(f"SpikingJelly cannot be imported ({error}): pip install spikingjelly") from None
    copied = exchanged(net, lambda module: _node(module, neuron, layer), "SpikingJelly")
    for module in copied.modules():
        if type(module).__module__.startswith("torch.nn.modules") and hasattr(layer, type(module).__name__):
            module.__class__ = getattr(layer, type(module).__name__)
            module._step_mode = "m"  # type: ignore[assignment]
    functional.set_step_mode(copied, "m")
    return copied


def _theirs(module: nn.Module) -> bool:
    return library_of(type(module)) == "spikingjelly"


def _plain(kind: type) -> type[nn.Module]:
    """Return torch's class of a layer that is one of torch with a mode of steps.

    Raises:
        ConversionError: if it is not.
    """
    name = "Sequential" if kind.__name__ in _CONTAINERS else kind.__name__
    bases = [base for base in kind.__mro__ if base.__module__.startswith("torch.nn.modules") and base is not nn.Module]
    if not bases or bases[0].__name__ != name:
        raise ConversionError(f"{kind.__name__} has no equal")
    return bases[0]


def _ours(module: Any) -> nn.Module | None:
    """Return what stands for a module of SpikingJelly."""
    if not _theirs(module):
        refuse_others(module, "canonic")
        return None
    kind = type(module).__name__
    if kind == "Dropout":
        return Dropout(module.p)
    if kind == "PSN":
        return _parallel(module)
    if kind not in ("IFNode", "LIFNode", "ParametricLIFNode"):
        _plain(type(module))
        return None
    parametric = kind == "ParametricLIFNode"
    decay = 0.0 if kind == "IFNode" else module.w.detach().sigmoid() if parametric else 1 / module.tau
    rule = LIF(
        leak=1 - float(decay),
        theta=module.v_threshold - (module.v_reset or 0.0),
        reset="soft" if module.v_reset is None else "hard",
        fire=_fire(module.surrogate_function),
        detach_reset=module.detach_reset,
    )
    neurons = Population(rule, trainable=("leak",) if parametric else ())
    return Charged(neurons) if getattr(module, "decay_input", False) else neurons


def _parallel(module: Any) -> nn.Module:
    """Return what stands for a parallel neuron; its bias is minus a threshold."""
    theta = -module.bias.detach().flatten()
    if not bool((theta > 0).all()):
        raise ConversionError("PSN with a bias that is not negative would have a threshold that is not positive")
    rule = PSN(module.weight.detach().clone(), theta, _fire(module.surrogate_function))
    return Population(rule, trainable=("weight", "theta"))


def _fire(surrogate: Any) -> Surrogate:
    """Return spikes with the slope of a surrogate function: by its name, or as its own derivative."""
    if not getattr(surrogate, "spiking", True):
        raise ConversionError("a surrogate function with spiking=False sends no spikes")
    known = _SLOPES.get(type(surrogate).__name__)
    return slope_of(surrogate) if known is None else Surrogate(known(surrogate.alpha))


def _node(module: nn.Module, neuron: Any, layer: Any) -> nn.Module | None:
    """Return what stands for one of our modules in SpikingJelly."""
    if isinstance(module, Charged):
        return _neurons(module.neurons, neuron, decay_input=True)
    if isinstance(module, Population):
        return _neurons(module, neuron, decay_input=False)
    if isinstance(module, Dropout):
        dropout: nn.Module = layer.Dropout(module.p)
        return dropout
    refuse_others(module, "spikingjelly")
    return None


def _neurons(population: Population, neuron: Any, *, decay_input: bool) -> nn.Module:
    """Return the node of a population."""
    rule, made = population.rule, None
    lone(population, *(("weight", "theta") if isinstance(rule, PSN) else ("leak",)))
    if isinstance(rule, PSN):
        made = neuron.PSN(len(rule.weight), rule.fire)
        with torch.no_grad():
            made.weight.copy_(rule.weight)
            made.bias.copy_(-torch.as_tensor(rule.theta).expand(len(rule.weight))[:, None])
        return _module(made)
    if isinstance(rule, IF) and single(rule.theta, "theta") == rule.at == 1:
        return _module(neuron.IFNode(1.0, None, rule.fire, False, "m"))
    if type(rule) is not LIF:
        raise ConversionError(f"{type(rule).__name__} has no equal")
    leak, theta = single(rule.leak, "leak"), single(rule.theta, "theta")
    given = theta, None if rule.reset == "soft" else 0.0, rule.fire, rule.detach_reset, "m"
    if population.trained:
        made = neuron.ParametricLIFNode(2.0, decay_input, *given)
        with torch.no_grad():
            made.w.copy_(-torch.logit(torch.tensor(leak)))
        return _module(made)
    return _module(neuron.IFNode(*given) if leak == 1 else neuron.LIFNode(1 / (1 - leak), decay_input, *given))


def _module(made: Any) -> nn.Module:
    node: nn.Module = made
    return node
