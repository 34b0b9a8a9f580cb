"""Operations as figures of one sample: by our names, and by those of NeuroBench."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from canonic.measure.counts import Operations

if TYPE_CHECKING:
    from canonic.measure.result import Evaluation


def totals(operations: Iterable[Operations], samples: int) -> dict[str, float]:
    """Return the operations of one sample, made and dense, on average."""
    kept = list(operations)
    return {
        "ACs": sum(o.additions for o in kept) / samples,
        "MACs": sum(o.multiplications for o in kept) / samples,
        "dense_ACs": sum(o.dense_additions for o in kept) / samples,
        "dense_MACs": sum(o.dense_multiplications for o in kept) / samples,
        "event_ACs": sum(o.event_additions for o in kept) / samples,
    }


def neurobench(evaluation: "Evaluation") -> dict[str, Any]:
    """Return the measures of NeuroBench (arXiv 2304.04640) under its names, of matrices and kernels as there."""
    facts, samples = evaluation.network, evaluation.samples
    read = [facts.sizes[name] for name in facts.connections]
    found = {name: o for name, o in evaluation.operations.items() if name in facts.connections}
    made = totals([_numbers(o) if name in facts.magnitudes else o for name, o in found.items()], samples)
    weights = sum(size.weights for size in read)
    return {
        "footprint": facts.footprint,
        "connection_sparsity": round(sum(size.zeros for size in read) / max(1, weights), 4),
        "activation_sparsity": 1 - evaluation.spikes_per_neuron / facts.steps,
        "membrane_updates": sum(facts.updates.values()),
        "synaptic_operations": {
            "Effective_MACs": made["MACs"],
            "Effective_ACs": made["ACs"],
            "Dense": made["dense_ACs"] + made["dense_MACs"],
        },
    }


def _numbers(made: Operations) -> Operations:
    """Return the operations where an event of several sizes counts as a number, as NeuroBench counts it."""
    return replace(made, additions=0, multiplications=made.multiplications + made.event_additions)
