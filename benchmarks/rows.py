"""What benchmarks of several networks have in common: what they are asked, and what their tables show."""

import argparse
from collections.abc import Iterable
from typing import Any

from canonic import Evaluation


def request(description: str | None, networks: Iterable[str]) -> argparse.Namespace:
    """Return what a command that goes on where it was stopped is to measure: ``networks``, and whether ``again``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure what has been measured, too")
    known = list(networks)
    parser.add_argument("--networks", nargs="*", choices=known, default=known)
    return parser.parse_args()


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
