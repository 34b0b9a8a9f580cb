"""The main job: a trained network becomes a spiking one."""

import logging
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain
from typing import Any

import torch
from torch import nn

from canonic.cluster import Workers, workers
from canonic.codes import CSS, Weighted, code_of
from canonic.conversion.calibrate import Calibration, calibrate, with_ranges
from canonic.conversion.explain import analyse, require_convertible
from canonic.conversion.populations import set_codes, set_thresholds
from canonic.conversion.quality import quality
from canonic.conversion.settings import InputCode, Override, Settings, require_kinds, resolve
from canonic.conversion.settle import repair_report, settle
from canonic.conversion.units import fold_thresholds
from canonic.datasets.digests import Digest, digest_of_tensors
from canonic.errors import ConversionError, DataError
from canonic.frontend import Example, Model, arguments, as_inputs, in_training, known_model
from canonic.network import SpikingNetwork
from canonic.network.batch import LABELS, named_in, require_batches
from canonic.network.classes import require_names
from canonic.network.finite import not_finite
from canonic.network.graph import Graph
from canonic.network.inputs import channels_last
from canonic.network.plan import Plan
from canonic.progress import waiting

log = logging.getLogger("canonic")


def convert(
    model: Model,
    calibration: Iterable[Any],
    *,
    code: Weighted | str = CSS(steps=8, silent=1),
    settings: Settings | None = None,
    classes: Sequence[str] = (),
    group: Workers | None = None,
    progress: bool = True,
    judged: bool = False,
) -> SpikingNetwork:
    """Return the spiking network of a trained one, all of whose populations are in a code that is given.

    All else is as the front door says it, ``canonic.convert``; of a network that is ``judged`` by something else than
    the model, as one that was trained for its code, nothing is said of its error.

    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> convert(model, [torch.rand(64, 4)], code="rate:16").total_steps
    16
    """
    settings, group = Settings() if settings is None else settings, group or workers()
    code = code_of(code) if isinstance(code, str) else code
    require_kinds(code, settings)
    examined = examine(model, calibration, settings.input, code)
    require_names(examined.graph, classes)
    rules = resolve(settings, [node.name for node in examined.graph.populations])
    graph = set_codes(examined.graph, code, rules)  # before the calibration: what cannot be is said at once
    seen = calibrate(graph, examined.data, first=examined.first, group=group, progress=progress)
    with waiting("settle silent steps and mean errors, layer by layer", shown=progress and group.first):
        snn = spiking(graph, seen, code, settings, notes=examined.notes)
        snn = told(snn, seen, aloud=group.first, judged=judged)
    return signed_off(snn, model, classes)


@dataclass(frozen=True)
class Examined:
    """A model that can be converted.

    Attributes:
        graph: of the source network, folded; without codes and thresholds.
        data: all batches of the calibration data.
        first: samples in the first of them.
        notes: what was done that the user did not ask for.
    """

    graph: Graph
    data: Iterable[Any]
    first: int
    notes: Sequence[str]


def examine(model: Model, calibration: Iterable[Any], kind: InputCode, code: Weighted) -> Examined:
    """Return the graph of a model, checked on the first samples of the calibration data.

    Raises:
        ConversionError, DataError: as ``convert``.
    """
    first, data = _first(calibration)
    given = arguments(known_model(model), first, "the first batch of the calibration data")
    graph, explanation = analyse(model, _few(given), code, kind)
    require_convertible(explanation.verdicts)
    graph = graph.map_tensors(channels_last)
    notes = [*_notes(model), *_left_out(first, graph.inputs)]
    return Examined(graph, data, len(as_inputs(given)[0]), notes)


def spiking(
    graph: Graph, seen: Calibration, code: Weighted, settings: Settings, *, notes: Sequence[str] = ()
) -> SpikingNetwork:
    """Return the spiking network of a graph whose populations have codes, from what calibration has seen of it."""
    return recorded(fitted(graph, seen, code, settings), seen, settings, notes=notes)


@dataclass(frozen=True)
class Fitted:
    """A plan that was fitted to calibration data.

    Attributes:
        plan: with thresholds, silent steps and start potentials.
        rules: what held for each population.
        dead: channels of each population that were never active.
    """

    plan: Plan
    rules: Mapping[str, Override]
    dead: Mapping[str, int]


def placed(graph: Graph, seen: Calibration, code: Weighted, settings: Settings) -> Fitted:
    """Return the plan of a graph whose populations have codes, with their thresholds; nothing is settled."""
    rules = resolve(settings, [node.name for node in graph.populations])
    with_theta, dead = set_thresholds(with_ranges(graph, seen.kept), rules, seen)
    plan = Plan(fold_thresholds(with_theta).map_tensors(channels_last), code, settings.bias)
    return Fitted(plan, rules, dead)


def fitted(graph: Graph, seen: Calibration, code: Weighted, settings: Settings) -> Fitted:
    """Return the plan of a graph whose populations have codes, settled on the samples that calibration has kept."""
    found = placed(graph, seen, code, settings)
    with torch.no_grad():
        plan = settle(found.plan, seen.kept, settings, found.rules)
        _require_finite(plan)
    return replace(found, plan=plan)


def recorded(found: Fitted, seen: Calibration, settings: Settings, *, notes: Sequence[str] = ()) -> SpikingNetwork:
    """Return a fitted plan as a network that says how it was made."""
    more = {"repair_db": {}, "rules": _unusual(found.rules), "notes": list(notes)}
    return SpikingNetwork(found.plan, {**_record(settings, seen.digest, found.dead), **more})


def signed_off(snn: SpikingNetwork, model: Model, classes: Sequence[str]) -> SpikingNetwork:
    """Return the network with its classes, and the digest of the weights of its source, in the record."""
    state = model.state_dict() if isinstance(model, nn.Module) else model.state_dict
    weights = {"tensors_sha256": digest_of_tensors(state)}
    return replace(snn, record={**snn.record, "classes": list(classes), "weights": weights})


def _require_finite(plan: Plan) -> None:
    """Raise if a number of the plan overflowed, or is none."""
    if wrong := not_finite(plan.graph):
        raise ConversionError(
            f"{wrong}: its activations, or those of the layers around it, span more than the type of the weights can "
            "hold; look for weights or statistics of batch norm that are very large or very small, or convert the "
            "model in float64, model.double()"
        )


def _few(given: Example) -> Example:
    """Return the first samples of a batch: enough to capture a model and to check its graph."""
    if isinstance(given, Mapping):
        return {name: x[:3] for name, x in given.items()}
    return tuple(x[:3] for x in given)


def told(snn: SpikingNetwork, seen: Calibration, *, aloud: bool, judged: bool = False) -> SpikingNetwork:
    """Return the network with the errors on its own calibration samples in the record; notes go to the log, too.

    Args:
        snn: that was converted.
        seen: what calibration has seen.
        aloud: write notes to the log.
        judged: something else has judged its error, of which no more is said, nor of what the correction of means
            has repaired.
    """
    found = quality(snn.plan, seen.kept)
    notes = [*snn.record["notes"], *([] if judged else found.notes)]
    for note in notes if aloud else ():
        log.warning("%s", note)
    known = {**snn.record, "health": found.figures, "notes": notes}
    if snn.record["settings"]["correct"] and not judged:
        known["repair_db"] = repair_report(snn.plan, found.inputs, found.populations)
    return replace(snn, record=known)


def _unusual(rules: Mapping[str, Override]) -> dict[str, str]:
    """Return the threshold rule of each population that has another than the least squared error."""
    return {name: rule.threshold for name, rule in rules.items() if rule.threshold and rule.threshold != "mse"}


def _notes(model: Model) -> list[str]:
    """Return what was done that the user did not ask for."""
    names = in_training(model) if isinstance(model, nn.Module) else []
    if not names:
        return []
    more = f", and {len(names) - 5} more" if len(names) > 5 else ""
    said = f"{', '.join(names[:5])}{more} of the model" if names[0] else "the model"
    return [f"in training mode: {said}; it was converted as it computes in evaluation mode, model.eval()"]


def _record(settings: Settings, digest: Digest, dead: Mapping[str, int]) -> dict[str, Any]:
    versions = {
        "canonic": version("canonic"),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    return {
        "settings": settings.to_json(),
        "calibration": digest.to_json(),
        "dead_channels": {name: count for name, count in dead.items() if count},
        "versions": versions,
    }


def _left_out(batch: object, names: Sequence[str]) -> list[str]:
    """Return a note on the keys of a dict that are neither inputs nor labels."""
    first = named_in(batch) or {}
    others = [str(key) for key in first if key not in (*names, *LABELS)]
    said = f"the batches hold {', '.join(others)}, which the model was not given: its inputs are {', '.join(names)}"
    return [said] if others else []


def _first(calibration: Iterable[Any]) -> tuple[Any, Iterable[Any]]:
    """Return the first batch, and all batches."""
    require_batches(calibration, "calibration")
    iterator = iter(calibration)
    first = next(iterator, None)
    if first is None:
        raise DataError("the calibration data is empty: pass at least one batch of typical inputs, 100 to 1000 samples")
    return first, calibration if iter(calibration) is not iterator else chain([first], iterator)
