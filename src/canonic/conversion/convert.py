"""The main job: a trained network becomes a spiking one."""

import inspect
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from canonic.codes import CSS
from canonic.conversion.calibrate import calibrate, with_ranges
from canonic.conversion.explain import analyse, require_convertible
from canonic.conversion.populations import code_inputs, set_codes, set_thresholds
from canonic.conversion.settings import Settings, resolve
from canonic.conversion.settle import repair_report, settle
from canonic.conversion.units import fold_thresholds
from canonic.errors import DataError
from canonic.frontend import Model
from canonic.network import SpikingNetwork
from canonic.network.graph import Plan
from canonic.network.inputs import channels_last
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
        code: of all populations.
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
    graph = graph.map_tensors(channels_last)
    if settings.input == "css":
        graph = code_inputs(graph)
    rules = resolve(settings, [node.name for node in graph.populations])
    graph = set_codes(graph, code, rules)
    seen = calibrate(graph, calibration, progress=progress)
    spiking, dead = set_thresholds(with_ranges(graph, seen.kept), rules, seen.histograms)
    plan = Plan(fold_thresholds(spiking).map_tensors(channels_last), code, settings.bias)
    with torch.no_grad(), waiting("settle silent steps and mean errors, layer by layer", shown=progress):
        plan = settle(plan, seen.kept, settings, rules)
        repair = repair_report(plan, seen.kept) if settings.correct else {}
    record = {**_record(settings, seen.samples, dead), "repair dB": repair, "notes": _notes(model)}
    return SpikingNetwork(plan, record)


def arity(model: Model) -> int:
    """Return how many inputs a model takes: the leading items of a batch; the rest, such as labels, are left out."""
    if not isinstance(model, nn.Module):
        return len(model.graph_signature.user_inputs)
    parameters = inspect.signature(model.forward).parameters.values()
    required = [
        p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return max(1, len(required))


def _notes(model: Model) -> list[str]:
    """Return what was done that the user did not ask for."""
    if isinstance(model, nn.Module) and model.training:
        return ["the model was in training mode: it was converted as it computes in evaluation mode, model.eval()"]
    return []


def _record(settings: Settings, samples: int, dead: Mapping[str, int]) -> dict[str, Any]:
    versions = {
        "canonic": version("canonic"),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    return {
        "settings": settings.to_json(),
        "calibration samples": samples,
        "dead channels": {name: count for name, count in dead.items() if count},
        "versions": versions,
    }


def _first(calibration: Iterable[Any], count: int) -> tuple[tuple[Tensor, ...], Iterable[Any]]:
    """Return up to three samples of the first batch, and all batches."""
    if isinstance(calibration, Tensor):
        raise DataError("calibration must be an iterable of batches, got one tensor: pass [x], or a DataLoader")
    iterator = iter(calibration)
    first = next(iterator, None)
    if first is None:
        raise DataError("the calibration data is empty: pass at least one batch of typical inputs, 100 to 1000 samples")
    inputs = (first,) if isinstance(first, Tensor) else tuple(first)[:count]
    example = tuple(x[:3] if isinstance(x, Tensor) and x.dim() else x for x in inputs)
    whole = calibration if iter(calibration) is not iterator else chain([first], iterator)
    return example, whole
