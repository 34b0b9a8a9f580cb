"""One pass over labelled data: how good, how sparse, how healthy a network is, at every step of its answer."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from canonic.cluster import Workers, workers
from canonic.codes import CSS
from canonic.datasets.digests import Digest, hashed
from canonic.errors import DataError, either
from canonic.learn.outcome import Trial
from canonic.measure.baselines import Judge, Others, measure_baselines, others_of
from canonic.measure.counts import Compared, Counts, settled
from canonic.measure.energy import MODELS, Model, require_models
from canonic.measure.facts import Facts, facts
from canonic.measure.labels import Asked, Task, asked_of, timed
from canonic.measure.operations import Account
from canonic.measure.passes import pass_over, stride_of
from canonic.measure.result import Evaluation
from canonic.measure.tally import (
    compare_answers,
    compare_outputs,
    count_agreeing,
    count_with_numbers,
    firing_counter,
    firing_of,
    seen_of,
    value_counter,
)
from canonic.measure.trial import TRIAL_MODELS, measure_trial_batch, trial_facts
from canonic.network import SpikingNetwork
from canonic.network.batch import described, named_in, parted, require_batches
from canonic.network.description import known_samples
from canonic.network.inputs import checked
from canonic.network.outputs import Output, output_called, output_names, required_output
from canonic.network.padding import without_idle
from canonic.network.readout import by_step
from canonic.network.reference import ValueObserver
from canonic.network.reference import reference as reference_outputs

Reference = Callable[..., Any] | Literal["source"]
"""A network that takes what the spiking network takes; "source" is the source network, on the network's own graph."""


def evaluate(
    snn: SpikingNetwork | Trial,
    data: Iterable[object],
    *,
    output: Output | None = None,
    reference: Reference | None = "source",
    energy: Sequence[Model] = MODELS,
    baselines: int = 0,
    group: Workers | None = None,
    progress: bool = True,
) -> Evaluation:
    """Measure a network against its source, and against labels where the data has them.

    Under ``torchrun`` each process measures a share of the batches, and all return the sums of all. After Ctrl-C what
    was seen so far is returned, and marked: ``evaluation.gap`` then says why it is not all.

    Args:
        snn: a network; each of its outputs is compared with that of the source. Or a ``Trial``, what was trained and
            has no steps: it is compared with nothing but labels, and its energy is that of its arithmetic alone.
        data: batches as for ``convert``, with labels or without: (x, y), or a dict with "labels". They are classes,
            whole numbers ``[batch]`` for an output ``[batch, classes]`` and ``[batch, ...]`` for one with an axis of
            classes beside, or a trained one's ``[batch, steps]``; -100 is not counted. Or targets in floating point.
        output: the one that labels are of: its identifier, place, or path; the only one, or "logits", if None.
        reference: the network to compare with: "source" is the source network, computed on the network's own graph;
            the operations of another one are not counted. None compares with nothing, as if the network was trained in
            spikes: it is a pass less, and there is no agreement, no error against a source and no energy of one.
        energy: the models by which energy is estimated, as far as they are of such a network.
        baselines: about how many samples a quantised network and a rate code are measured on too, for a classifier:
            whole batches, evenly spaced. They take some 100 passes of the source network. For networks in CSS only:
            ``compare`` measures other codes.
        group: the processes that share the data; those of torch.distributed if None.
        progress: show a progress bar, on a terminal.

    Raises:
        DataError: if there is no data, the network or a label does not fit, or no model of energy is of such a network.
        ClusterError: if another process was lost.
    """
    if not isinstance(snn, SpikingNetwork | Trial):
        raise DataError(f"snn must be a SpikingNetwork, got {type(snn).__name__}: convert the model first")
    if isinstance(reference, nn.Module) and reference.training:
        raise DataError("the reference is in training mode, where its answers depend on the batch: reference.eval()")
    if not isinstance(baselines, int) or baselines < 0:
        raise DataError(f"baselines must be a number of samples, 0 for none, got {baselines!r}")
    if baselines and reference is None:
        raise DataError("baselines are judged beside the source network: leave them out, or compare with it")
    require_batches(data, "the evaluation data")
    models, group = models_of(snn, require_models(energy)), group or workers()
    if not isinstance(snn, SpikingNetwork):
        found = pass_over(partial(measure_trial_batch, snn, trial_facts(snn)), group, data, progress=progress)
        return replace(found, models=models)
    meter = meter_of(snn, reference, output)
    stride = stride_of(data, baselines if isinstance(snn.code, CSS) else 0, snn.graph.inputs)
    return replace(pass_over(partial(measure_batch, meter), group, data, stride, progress=progress), models=models)


def models_of(snn: SpikingNetwork | Trial, asked: Sequence[Model]) -> tuple[Model, ...]:
    """Return the models of energy that are of such a network.

    Raises:
        DataError: if models are asked for, and none of them is.
    """
    if not isinstance(snn, SpikingNetwork):
        known, why = TRIAL_MODELS, "what it keeps in memory is not known"
    elif any("recurrent" in node.tensors for node in snn.graph.populations):
        known, why = ("horowitz45", "traffic45"), "its neurons read their own spikes"
    else:
        known, why = MODELS, ""
    models = tuple(model for model in asked if model in known)
    if asked and not models:
        raise DataError(f"{' and '.join(asked)} cannot be estimated of this network, as {why}: take {either(known)}")
    return models


@dataclass(frozen=True)
class Meter:
    """What measures: a network, what it is compared with, and where the operations of all arise.

    Attributes:
        output: the place of the output that labels are of; None if none is meant.
        reference: None if it is compared with nothing.
    """

    snn: SpikingNetwork
    network: Facts
    output: int | None
    reference: Reference | None
    spiking: Account
    source: Account

    @cached_property
    def others(self) -> Others:
        """The same network in other codes."""
        return others_of(self.snn)


def meter_of(snn: SpikingNetwork, reference: Reference | None = "source", output: Output | None = None) -> Meter:
    """Return what measures a network."""
    place = output_called(snn.graph, output)
    reference = None if snn.plan.stepwise and reference == "source" else reference  # it was trained as it is
    spiking = Account(without_idle(snn.clocked_plan.graph), None, spiking=True)  # what is run
    return Meter(snn, facts(snn), place, reference, spiking, Account(snn.graph))


def measure_batch(meter: Meter, batch: object, baselines: bool = False) -> Evaluation:
    """Return the measures of one batch.

    Raises:
        DataError: if the batch, or its labels, do not fit the network.
    """
    snn, graph = meter.snn, meter.snn.graph
    given = parted(batch, graph.inputs, "a batch of the evaluation data")
    inputs = checked(graph, given.inputs, "the evaluation")
    names, seen = output_names(graph), seen_of(graph.inputs, [x.flatten(0, int(snn.plan.follows)) for x in inputs])
    source_activity = dict(seen.units)
    begin = time.perf_counter()
    with torch.no_grad():
        answering = graph.outputs if snn.plan.readout == "first" else ()
        observe = firing_counter(seen, meter.spiking, snn.clocked_plan.codes, answering)
        readouts = by_step(snn.clocked_plan, snn.layerwise_plan, inputs, observe)
        seconds = time.perf_counter() - begin
        sources = _sources(meter, batch, inputs, value_counter(source_activity, meter.source.watched))
    readouts = [timed(readout, given.labels) for readout in readouts] if snn.plan.stepwise else readouts
    asked = _asked(meter, given.labels, [readout[-1] for readout in readouts])
    compared = map(_compared, asked, readouts, sources)
    main = meter.output or 0
    classes, answers, others = asked[main].classes, None, None
    if classes is not None:
        readout, theirs = classes.scores(readouts[main]), sources[main]
        source = None if theirs is None else classes.scores(theirs)
        answers = compare_answers(readout, source, classes.y)
        if baselines and source is not None:
            judge = Judge(main, classes, source.argmax(-1), readout.argmax(-1))
            others = measure_baselines(meter.others, inputs, judge)
    hashes, total = hashed(inputs, [y for y in (given.labels,) if isinstance(y, Tensor)])
    counts = Counts(
        samples=len(inputs[0]),
        digest=total,
        answers=answers,
        outputs=dict(zip(names, compared, strict=True)),
        firing={name: firing_of(*scan) for name, scan in seen.scans.items()},
        calibrated=Digest.from_json(known_samples(snn.record)).count(hashes),
        decided=int(seen.decided[graph.outputs[main]]) if answering else None,
        numbers=count_with_numbers(graph, inputs),
    )
    operations = settled(seen.operations(meter.spiking, counts.samples), counts.numbers)
    of_source = meter.source.count(source_activity, counts.samples) if meter.reference == "source" else {}
    chosen = None if meter.output is None else names[meter.output]
    task: Task = asked[main].task if meter.reference or given.labels is not None else "activity"
    return Evaluation(meter.network, task, chosen, counts, operations, of_source, seconds, baselines=others)


def _asked(meter: Meter, labels: object, outputs: Sequence[Tensor]) -> list[Asked]:
    """Return what a batch asks of each output."""
    asked = [Asked()] * len(outputs)
    if labels is not None:
        place = required_output(meter.snn.graph, meter.output, "the labels of the data are of")
        asked[place] = asked_of(labels, outputs[place])
    return asked


def _compared(asked: Asked, readout: Tensor, source: Tensor | None) -> Compared:
    errors = compare_outputs(readout, source, asked.target)
    if source is None or not asked.classifies(source):
        return Compared(errors, 0, ())
    scores = asked.scores(source)
    return Compared(errors, len(scores), count_agreeing(asked.scores(readout), scores))


def _sources(
    meter: Meter, batch: object, inputs: Sequence[Tensor], observe: ValueObserver
) -> Sequence[Tensor] | Sequence[None]:
    """Return the outputs of the network that is compared with; None for each if there is none.

    Raises:
        DataError: if they have not the form of the network's own.
    """
    graph = meter.snn.graph
    if meter.reference is None:
        return [None] * len(graph.outputs)
    if isinstance(meter.reference, str):
        return reference_outputs(graph, inputs, observe)
    named = dict(zip(graph.inputs, inputs, strict=True)) if named_in(batch) is not None else {}
    found = pytree.tree_leaves(meter.reference(**named) if named else meter.reference(*inputs))
    outputs = [x for x in found if isinstance(x, Tensor)]
    wanted = [[len(inputs[0]), *graph[name].shape] for name in graph.outputs]
    if [list(x.shape) for x in outputs] != wanted:
        shapes, seen = ", ".join(map(str, wanted)), ", ".join(map(described, found))
        raise DataError(f"the reference must return what the network returns, {shapes}, got {seen}")
    return outputs
