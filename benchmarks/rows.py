"""What every table of accuracies shows of an evaluation."""

from typing import Any

from canonic import Evaluation


def measures(evaluation: Evaluation) -> dict[str, Any]:
    """Return latency, accuracy in per cent and spikes."""
    network = evaluation.network
    return {
        "pictures": evaluation.samples,
        "T": network.steps,
        "k": list(network.silent),
        "depth": network.depth,
        "total steps": network.total_steps,
        "source accuracy": 100 * evaluation.source_accuracy,
        "accuracy": 100 * evaluation.accuracy,
        "drop": 100 * (evaluation.source_accuracy - evaluation.accuracy),
        "agreement": 100 * evaluation.agreement,
        "spikes per neuron": evaluation.spikes_per_neuron,
    }
