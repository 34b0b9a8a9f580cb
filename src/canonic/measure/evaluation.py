"""One pass over labelled data: how good, how sparse, how healthy a network is, at every step of its answer."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from canonic.cluster import Workers, workers
from canonic.datasets.digests import Digest, hashed
from canonic.errors import DataError, first_line
from canonic.measure.baselines import Places, measure_baselines, places_of
from canonic.measure.counts import Counts
from canonic.measure.energy import MODELS, Model, require_models
from canonic.measure.facts import Facts, facts
from canonic.measure.operations import Account
from canonic.measure.result import Evaluation
from canonic.measure.tally import (
    compare_answers,
    compare_outputs,
    count_inputs,
    firing_counter,
    firing_of,
    value_counter,
)
from canonic.network import SpikingNetwork
from canonic.network.inputs import checked
from canonic.network.reference import reference as compute_source
from canonic.neurons import Fired
from canonic.progress import track
from canonic.words import counted

Reference = Callable[..., Tensor]
"""A network that takes what the spiking network takes."""


def evaluate(
    snn: SpikingNetwork,
    data: Iterable[Sequence[object]],
    *,
    reference: Reference | None = None,
    energy: Sequence[Model] = MODELS,
    baselines: int = 0,
    group: Workers | None = None,
    progress: bool = True,
) -> Evaluation:
    """Measure a network on labelled data.

    Under ``torchrun`` each process measures a share of the batches, and all return the sums of all. After Ctrl-C what
    was seen so far is returned, and marked: ``evaluation.gap`` then says why it is not all.

    Args:
        snn: a network with one output: ``[batch, classes]``, or any shape for a regression.
        data: batches that begin with the inputs: (x, y), with y the classes ``[batch]``, or what the output should be.
        reference: the network to compare with; the source network, computed on the network's own graph, if None. The
            operations of another one are not counted.
        energy: the models by which energy is estimated.
        baselines: about how many samples a quantised network and a rate code are measured on too, for a classifier:
            whole batches, evenly spaced. They take some 70 passes of the source network.
        group: the processes that share the data; those of torch.distributed if None.
        progress: show a progress bar, on a terminal.

    Raises:
        DataError: if there is no data, or the network or a label does not fit.
        ClusterError: if another process was lost.
    """
    if not isinstance(snn, SpikingNetwork):
        raise DataError(f"snn must be a SpikingNetwork, got {type(snn).__name__}: convert the model first")
    if isinstance(reference, nn.Module) and reference.training:
        raise DataError("the reference is in training mode, where its answers depend on the batch: reference.eval()")
    if not isinstance(baselines, int) or baselines < 0:
        raise DataError(f"baselines must be a number of samples, 0 for none, got {baselines!r}")
    models, group, meter = require_models(energy), group or workers(), meter_of(snn, reference)
    stride = _stride(data, baselines)
    parts = group.together(partial(_measured, meter, group, group.share(data), stride, progress=progress))
    found = [part for part in parts if part is not None]
    if not found:
        raise DataError("the evaluation data is empty: pass at least one batch (x, y)")
    return replace(reduce(add, found), models=models)


@dataclass(frozen=True)
class Meter:
    """What measures: a network, what it is compared with, and where the operations of all arise."""

    snn: SpikingNetwork
    network: Facts
    reference: Reference | None
    spiking: Account
    source: Account
    others: Places


def meter_of(snn: SpikingNetwork, reference: Reference | None = None) -> Meter:
    """Return what measures a network."""
    spiking = Account(snn.clocked_plan.graph, snn.code.steps, spiking=True)
    source = Account(snn.graph)
    return Meter(snn, facts(snn), reference, spiking, source, places_of(snn.graph, source))


def measure_batch(meter: Meter, batch: Sequence[object], *, baselines: bool = False) -> Evaluation:
    """Return the measures of one batch.

    Raises:
        DataError: if the batch, or the form of the network's output, does not fit.
    """
    snn, graph = meter.snn, meter.snn.graph
    inputs, y = labelled(batch, len(graph.inputs))
    inputs = checked(graph, inputs, "the evaluation")
    scans: dict[str, tuple[Tensor, Fired]] = {}
    activity = count_inputs(graph.inputs, inputs)
    source_activity = dict(activity)
    begin = time.perf_counter()
    readout = snn.readout(*inputs, observe=firing_counter(scans, activity, meter.spiking.watched))
    seconds = time.perf_counter() - begin
    y = fitting(y, readout)
    with torch.no_grad():
        if meter.reference is None:
            (source,) = compute_source(graph, inputs, value_counter(source_activity, meter.source.watched))
        else:
            source = _alike(meter.reference(*inputs), readout[-1])
    classes = not y.is_floating_point()
    hashes, total = hashed(inputs, [y])
    counts = Counts(
        samples=len(y),
        digest=total,
        answers=compare_answers(readout, source, y) if classes else None,
        errors=compare_outputs(readout, source, None if classes else y),
        firing={name: firing_of(*scan) for name, scan in scans.items()},
        calibrated=Digest.from_json(snn.record.get("calibration", {})).count(hashes),
    )
    others = None
    if baselines and classes:
        others = measure_baselines(snn, inputs, y, source.argmax(-1), readout.argmax(-1), meter.others)
    activity |= {name: fired.events for name, (_, fired) in scans.items()}
    operations = meter.spiking.count(activity, len(y))
    of_source = meter.source.count(source_activity, len(y)) if meter.reference is None else {}
    return Evaluation(meter.network, counts, operations, of_source, seconds, baselines=others)


def _alike(source: object, output: Tensor) -> Tensor:
    """Return the output of a reference; raise a DataError unless it has the form of the network's own."""
    if not isinstance(source, Tensor) or source.shape != output.shape:
        found = list(source.shape) if isinstance(source, Tensor) else type(source).__name__
        raise DataError(f"the reference must return what the network returns, {list(output.shape)}, got {found}")
    return source


def labelled(batch: Sequence[object], inputs: int) -> tuple[list[Tensor], Tensor]:
    """Return the inputs of a batch, and what follows them: its labels or targets.

    Raises:
        DataError: if there is nothing, or not as much as there are samples.
    """
    if isinstance(batch, Tensor) or len(batch) <= inputs:
        raise DataError("a batch holds no labels: evaluate needs batches (x, y), with y the classes [batch]")
    given, y = [x for x in batch[:inputs] if isinstance(x, Tensor)], batch[inputs]
    if len(given) < inputs or not isinstance(y, Tensor) or y.shape[:1] != given[0].shape[:1]:
        found = f"{y.dtype} {list(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise DataError(
            "a batch must hold tensors: the inputs, and then a class or a target for each of their samples; its last "
            f"one is {found}"
        )
    return given, y


def fitting(y: Shaped[Tensor, "batch ..."], readout: object) -> Shaped[Tensor, "batch ..."]:
    """Return the labels on the device of the output.

    Raises:
        DataError: if they do not fit the output of the network.
    """
    if not isinstance(readout, Tensor):
        raise DataError("evaluate measures networks with one output, a tensor; this one returns another form")
    shape = list(readout.shape[1:])
    if y.is_floating_point():
        if list(y.shape) != shape:
            raise DataError(
                f"the targets have the shape {list(y.shape)}, the output of the network {shape}: give one number for "
                "each output, or whole numbers [batch] as classes"
            )
        if not bool(y.isfinite().all()):
            raise DataError("the targets hold NaN or infinity: clean the data first (torch.isfinite finds them)")
    elif readout.dim() != 3 or y.dim() != 1:
        raise DataError(
            f"classes must be whole numbers [batch] for an output [batch, classes], got {list(y.shape)} for {shape}; "
            "targets of a regression must be floating point"
        )
    elif not bool(((y >= 0) & (y < shape[1])).all()):
        raise DataError(
            f"a label lies outside 0 .. {shape[1] - 1}: the network tells {counted(shape[1], 'class', 'classes')} apart"
        )
    return y.to(readout.device)


def _measured(
    meter: Meter, group: Workers, data: Iterable[Sequence[object]], stride: int, *, progress: bool
) -> Evaluation | None:
    """Return the measures of this process's batches; None if it has none."""
    total: Evaluation | None = None
    count, gap = 0, ""
    try:
        for batch in _read(track(data, "evaluate", shown=progress and group.first)):
            chosen = stride > 0 and (count * group.world + group.rank) % stride == 0
            part = measure_batch(meter, batch, baselines=chosen)
            total, count = part if total is None else total + part, count + 1
    except (KeyboardInterrupt, _Unreadable) as error:
        if total is None:
            raise error.__cause__ or error from None
        gap = f"{str(error) or 'interrupted'} after {counted(total.samples, 'sample')}"
    if total is not None and not gap and isinstance(data, Sized) and count < len(data):
        gap = f"the data ended after {count} of {counted(len(data), 'batch', 'batches')}"
    return None if total is None else replace(total, gap=gap)


class _Unreadable(Exception):
    """Raised when the data fails, not the measuring."""


def _read(batches: Iterable[Sequence[object]]) -> Iterator[Sequence[object]]:
    try:
        yield from batches
    except Exception as error:
        raise _Unreadable(f"the data failed ({type(error).__name__}: {first_line(error)})") from error


def _stride(data: object, samples: int) -> int:
    """Return the distance between the batches on which baselines are measured; 0 for none, 1 if lengths are unknown."""
    if samples < 1 or not isinstance(data, Sized):
        return int(samples > 0)
    size = getattr(data, "batch_size", None) or (len(data[0][0]) if isinstance(data, list | tuple) and data else 1)
    return max(1, len(data) // -(-samples // size))
