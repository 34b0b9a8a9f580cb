"""The main job: a trained network becomes a spiking one."""

import inspect
import platform
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from canonic.codes import CSS
from canonic.conversion.calibrate import calibrate, population_axis
from canonic.conversion.correction import correct_means
from canonic.conversion.explain import analyse, require_convertible
from canonic.conversion.settings import Override, Settings, resolve
from canonic.conversion.thresholds import threshold
from canonic.conversion.units import fold_thresholds
from canonic.errors import ConversionError, DataError
from canonic.frontend import Model
from canonic.network import SpikingNetwork
from canonic.network.graph import Graph, Neurons, Node, Plan
from canonic.network.inputs import channels_last, prototype
from canonic.progress import waiting


def convert(
    model: Model,
    calibration: Iterable[Any],
    *,
    code: CSS = CSS(steps=8, silent=1),
    settings: Settings | None = None,
    progress: bool = True,
) -> SpikingNetwork:
    """Turn a trained network into a spiking one, without training.

    Args:
        model: a module, which is left as it is and converted in evaluation mode, or an ``ExportedProgram`` with a
            free batch axis.
        calibration: batches of typical inputs, at least one: tensors ``[batch, *shape]``, or tuples that begin with
            the inputs, such as those of a DataLoader of (x, y). A hundred samples or more; no labels are used.
        code: of all populations; ``CSS(steps=8, silent=1)`` if None.
        settings: ``Settings()`` if None.
        progress: show a progress bar, on a terminal.

    Raises:
        ConversionError: if the model or a setting cannot be used; it names every refused operator.
        DataError: if the calibration data cannot be used.

    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> snn = convert(model, [torch.rand(64, 4)])
    >>> snn(torch.rand(5, 4)).shape, snn.total_steps
    (torch.Size([5, 2]), 9)
    """
    settings = settings or Settings()
    example, calibration = _first(calibration, arity(model))
    graph, explanation = analyse(model, example, code)
    require_convertible(explanation)
    graph, like = graph.map_tensors(channels_last), prototype(graph)
    if like.dtype not in (torch.float32, torch.float64):
        raise ConversionError(
            f"the weights of the model are {like.dtype}: convert it to float32 first, model.float()"
        )
    rules = resolve(settings, [node.name for node in graph.populations])
    if settings.input == "css":
        graph, rules = code_inputs(graph, rules)
    seen = calibrate(graph, calibration, progress=progress)
    populations: dict[str, Node] = {}
    dead: dict[str, int] = {}
    for node in graph.populations:
        own, rule = population_code(code, rules[node.name]), rules[node.name]
        theta, dead[node.name] = threshold(seen.histograms[node.name], own, rule, _neurons(node).ceiling)
        populations[node.name] = spiking_population(node, own, theta, population_axis(graph, node))
    spiking = replace(graph, nodes=tuple(populations.get(node.name, node) for node in graph.nodes))
    folded = fold_thresholds(spiking.map_tensors(torch.Tensor.cpu))
    folded = folded.map_tensors(lambda tensor: channels_last(tensor.to(like)))
    plan = Plan(folded, code, settings.bias)
    if settings.correct:
        with torch.no_grad(), waiting("correct the mean of every channel", shown=progress):
            plan = correct_means(plan, seen.kept)
    record = {
        "settings": settings.to_json(),
        "calibration samples": seen.samples,
        "dead channels": {name: count for name, count in dead.items() if count},
        "versions": {
            "canonic": version("canonic"),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    return SpikingNetwork(plan, record)


def arity(model: Model) -> int:
    """Return how many inputs a model takes: the leading items of a batch; the rest, such as labels, are left out."""
    if not isinstance(model, nn.Module):
        return len(model.graph_signature.user_inputs)
    parameters = inspect.signature(model.forward).parameters.values()
    required = [
        p
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return max(1, len(required))


def population_code(code: CSS, rule: Override) -> CSS:
    """Return the code of one population: that of the network, but for what its override says."""
    silent = code.silent if rule.silent is None else rule.silent
    return replace(code, silent=silent, phi=code.phi if rule.phi is None else rule.phi)


def spiking_population(node: Node, code: CSS, theta: Tensor, axis: int) -> Node:
    """Return a population with its code and its thresholds, one for each channel along this axis of a sample."""
    shape = [1] * len(node.shape)
    shape[axis] = -1
    return replace(node, neurons=replace(_neurons(node), code=code), tensors={"theta": theta.reshape(shape)})


def code_inputs(graph: Graph, rules: Mapping[str, Override]) -> tuple[Graph, dict[str, Override]]:
    """Return the graph with a signed population behind each input, and the rules with one for each.

    Its code needs no silent steps: it sees its whole input at the first.
    """
    nodes: list[Node] = []
    coded = {name: f"{name}.spikes" for name in graph.inputs}
    for node in graph.nodes:
        nodes.append(replace(node, inputs=tuple(coded.get(name, name) for name in node.inputs)))
        if node.name in coded:
            neurons = Neurons(signed=True, encodes=True)
            nodes.append(
                Node(
                    coded[node.name],
                    "population",
                    "",
                    (node.name,),
                    node.shape,
                    neurons=neurons,
                    origin=node.origin,
                )
            )
    outputs = tuple(coded.get(name, name) for name in graph.outputs)
    rule = Override("mse", silent=0, phi=0.5)
    return replace(graph, nodes=tuple(nodes), outputs=outputs), {
        **rules,
        **dict.fromkeys(coded.values(), rule),
    }


def _neurons(node: Node) -> Neurons:
    assert node.neurons is not None  # true of every population
    return node.neurons


def _first(calibration: Iterable[Any], count: int) -> tuple[tuple[Tensor, ...], Iterable[Any]]:
    """Return two samples of the first batch, and all batches."""
    if isinstance(calibration, Tensor):
        raise DataError(
            "calibration must be an iterable of batches, got one tensor: pass [x], or a DataLoader"
        )
    iterator = iter(calibration)
    first = next(iterator, None)
    if first is None:
        raise DataError(
            "the calibration data is empty: pass at least one batch of typical inputs, 100 to 1000 samples"
        )
    inputs = (first,) if isinstance(first, Tensor) else tuple(first)[:count]
    example = tuple(x[:2] if isinstance(x, Tensor) and x.dim() else x for x in inputs)
    whole = calibration if iter(calibration) is not iterator else chain([first], iterator)
    return example, whole
