"""snnTorch's Leaky and Synaptic neurons (Eshraghian et al., arXiv 2109.12894, version 1).

``syn = alpha syn + x`` (Synaptic alone), ``mem = beta mem + syn - threshold s[t-1]``, ``s = H(mem - threshold)``; with
reset "zero" ``mem`` of a neuron that fired is forgotten at the next step. No gradient goes through the reset. At
``mem = threshold`` these fire here, and not there.
"""

from importlib import import_module
from typing import Any

from torch import nn

from canonic.errors import ConversionError
from canonic.learn.interop.exchange import exchanged, library_of, lone, number, refuse_others, slope_of
from canonic.learn.population import Population
from canonic.neurons.leaky import Integrator, Leaky
from canonic.neurons.rules import LIF, Rule


def from_snntorch(net: nn.Module) -> nn.Module:
    """Return a network of snnTorch as a module with populations, for ``unroll`` and ``as_network``.

    Weights are copied. A leak or threshold that is learned is trained here, as a logit or logarithm.

    Args:
        net: of modules that are called once a step, with neurons of ``init_hidden=True``; it stays as it is.

    Raises:
        ConversionError: if there is no equal of a neuron; the message names all of them.
    """
    return exchanged(net, _ours, "canonic")


def to_snntorch(net: nn.Module) -> nn.Module:
    """Return a network with populations as one of snnTorch, with ``init_hidden=True``: call it once a step.

    Args:
        net: stays as it is.

    Raises:
        ConversionError: if snnTorch is not installed, or there is no equal of a module; the message names all of them.
    """
    try:
        library = import_module("snntorch")
    except ImportError as error:
        raise ConversionError(f"snnTorch cannot be imported ({error}): pip install snntorch") from None
    return exchanged(net, lambda module: _theirs(module, library), "snnTorch")


def _ours(module: Any) -> nn.Module | None:
    """Return what stands for a module of snnTorch."""
    if library_of(type(module)) != "snntorch":
        refuse_others(module, "canonic")
        return None
    kind = type(module).__name__
    if kind not in ("Leaky", "Synaptic"):
        raise ConversionError(f"{kind} has no equal")
    neurons = _population(module, kind)
    if kind == "Leaky":
        return neurons
    currents = Integrator(leak=number(module.alpha))
    learned = ("leak",) if isinstance(module.alpha, nn.Parameter) else ()
    return nn.Sequential(Population(currents, trainable=learned), neurons)


def _population(module: Any, kind: str) -> Population:
    """Return the neurons of a module.

    Raises:
        ConversionError: if they have none here.
    """
    unlike = {
        "init_hidden=False, which leaves its states to the code around it": not module.init_hidden,
        "reset_delay=False": not module.reset_delay,
        "inhibition": module.inhibition,
        "state_quant": module.state_quant,
        "graded spikes": float(module.graded_spikes_factor) != 1,
        "reset_mechanism none": module.reset_mechanism == "none",
        "reset_mechanism zero": module.reset_mechanism == "zero" and kind == "Synaptic",
    }
    if any(unlike.values()):
        raise ConversionError(f"{kind} with {', '.join(name for name, given in unlike.items() if given)}")
    leak, theta, fire = number(module.beta), number(module.threshold), slope_of(module.spike_grad)
    names = {"leak": module.beta, "theta": module.threshold}
    learned = tuple(name for name, value in names.items() if isinstance(value, nn.Parameter))
    rule: Rule = Leaky(leak, theta, fire, detach_reset=True)
    if module.reset_mechanism == "zero":
        rule = LIF(leak, theta, "hard", fire, detach_reset=True)
    return Population(rule, trainable=learned, membrane=bool(module.output))


def _theirs(module: nn.Module, library: Any) -> nn.Module | None:
    """Return what stands for one of our modules in snnTorch."""
    match list(module.children()) if isinstance(module, nn.Sequential) else []:
        case [Population(rule=Integrator(leak=leak)) as current, Population(rule=Leaky()) as neurons]:
            lone(current, "leak")
            alpha = {"alpha": leak, "learn_alpha": bool(current.trained)}
            return _neurons(neurons, library.Synaptic, **alpha)
    if isinstance(module, Population):
        return _neurons(module, library.Leaky)
    refuse_others(module, "snntorch")
    return None


def _neurons(population: Population, kind: Any, **given: Any) -> nn.Module:
    """Return the neurons of snnTorch for a population."""
    rule = population.rule
    lone(population, "leak", "theta")
    hard = isinstance(rule, LIF) and rule.reset == "hard" and kind.__name__ == "Leaky"
    if not isinstance(rule, LIF | Leaky) or (isinstance(rule, LIF) and not hard):
        raise ConversionError(
            f"{type(rule).__name__}{' with this reset' if isinstance(rule, LIF) else ''} has no equal"
        )
    if not rule.detach_reset:
        raise ConversionError(f"its reset has a gradient: take {type(rule).__name__}(..., detach_reset=True)")
    made: nn.Module = kind(
        beta=rule.leak,
        threshold=rule.theta,
        spike_grad=rule.fire,
        init_hidden=True,
        learn_beta="leak" in population.trained,
        learn_threshold="theta" in population.trained,
        reset_mechanism="zero" if hard else "subtract",
        **given,
    )
    return made
