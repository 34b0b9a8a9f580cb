"""The measures of what is no network of steps, from what its batches did: the same evaluation as of a network."""

import hashlib
import time
from collections.abc import Mapping

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.datasets.digests import Digest, hashed
from canonic.errors import DataError
from canonic.learn.outcome import Outcome, Trial
from canonic.measure.counts import Compared, Counts, Firing, Operations, settled
from canonic.measure.energy import Model
from canonic.measure.facts import Facts, Size
from canonic.measure.labels import Asked, Task, asked_of, timed
from canonic.measure.result import Evaluation
from canonic.measure.tally import compare_answers, compare_outputs
from canonic.network.batch import parted
from canonic.network.description import known_samples

ALL, OUTPUT = "all", "output"
"""Its operations are not told apart by layers, and it has one output."""

TRIAL_MODELS: tuple[Model, ...] = ("horowitz45",)
"""Models of energy that need operations alone: what it keeps in memory is not known."""


def trial_facts(trial: Trial) -> Facts:
    """Return the figures of a trial."""
    tensors, neurons = trial.net.state_dict(), trial.neurons
    weights = sum(parameter.numel() for parameter in trial.net.parameters())
    sizes = {name: Size(0, 0, 0, 0, count, 1) for name, count in neurons.items()}
    return Facts(
        fingerprint=_fingerprint(trial, tensors),
        precision="fp32",
        codes=(),
        steps=trial.steps,
        bits=1,
        silent=(0, 0),
        levels=(1, 1),
        event_bits=1.0 if neurons else 0.0,
        depth=len(neurons),
        total_steps=trial.steps,
        starts={OUTPUT: 0},
        neurons=dict(neurons),
        updates=dict.fromkeys(neurons, 0),
        busy=trial.steps,
        state={},
        sizes={ALL: Size(weights, 0, 32, 0, 0, 1), **sizes},
        magnitudes={},
        connections=(),
        footprint=sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()),
    )


def _fingerprint(trial: Trial, tensors: Mapping[str, Tensor]) -> str:
    """Return a hash of its shape and its tensors."""
    seen = hashlib.sha256(repr((str(trial.net), dict(trial.neurons), trial.steps)).encode())
    for name, tensor in tensors.items():
        seen.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        seen.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return seen.hexdigest()


def measure_trial_batch(trial: Trial, facts: Facts, batch: object, _baselines: bool = False) -> Evaluation:
    """Return the measures of one batch.

    Raises:
        DataError: if the batch, or its labels, do not fit.
    """
    given = parted(batch, ("x",), "a batch of the evaluation data")
    (x,) = given.inputs
    if not isinstance(x, Tensor):
        raise DataError(f"a batch must hold tensors, got {type(x).__name__}: give (x, y)")
    begin = time.perf_counter()
    with torch.no_grad():
        found = trial.outcome(x)
    seconds = time.perf_counter() - begin
    readout = timed(found.readout, given.labels)
    asked = Asked() if given.labels is None else asked_of(given.labels, readout[-1])
    classes, task = asked.classes, _task(asked, given.labels)
    answers = None if classes is None else compare_answers(classes.scores(readout), None, classes.y)
    hashes, digest = hashed([x], [y for y in (given.labels,) if isinstance(y, Tensor)])
    counts = Counts(
        samples=len(hashes),
        digest=digest,
        answers=answers,
        outputs={OUTPUT: Compared(compare_outputs(readout, None, asked.target), 0, ())},
        firing={name: _firing(events) for name, events in found.spikes.items()},
        calibrated=Digest.from_json(known_samples(getattr(trial, "record", {}))).count(hashes),
        decided=int(found.decided.sum()),
        numbers=found.numbers,
    )
    operations = settled({ALL: _operations(found)}, found.numbers)
    return Evaluation(facts, task, OUTPUT, counts, operations, {}, seconds, models=TRIAL_MODELS)


def _task(asked: Asked, labels: object) -> Task:
    return "activity" if labels is None else asked.task


def _firing(events: Shaped[Tensor, "batch ..."]) -> Firing:
    total = int(events.sum())
    return Firing((total,), (0,), int((events == 0).sum()), total, (0,))


def _operations(found: Outcome) -> Operations:
    additions, products, framed = round(found.additions), round(found.multiplications), round(found.framed)
    return Operations(additions, products, additions, products, additions, framed, framed)
