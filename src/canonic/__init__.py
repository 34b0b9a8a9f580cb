"""Trained PyTorch networks as spiking networks of ternary spikes, by Canonic Signed Spike coding."""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
    from canonic.codes import CSS as CSS
    from canonic.codes import Binary as Binary
    from canonic.codes import Burst as Burst
    from canonic.codes import Count as Count
    from canonic.codes import Differential as Differential
    from canonic.codes import ExponentialLatency as ExponentialLatency
    from canonic.codes import FewSpike as FewSpike
    from canonic.codes import FittedFewSpike as FittedFewSpike
    from canonic.codes import GrowingBurst as GrowingBurst
    from canonic.codes import Latency as Latency
    from canonic.codes import MultiThreshold as MultiThreshold
    from canonic.codes import Phase as Phase
    from canonic.codes import Rate as Rate
    from canonic.codes import SigmaDelta as SigmaDelta
    from canonic.codes import SignedRate as SignedRate
    from canonic.conversion import Override as Override
    from canonic.conversion import Settings as Settings
    from canonic.conversion import explain as explain
    from canonic.errors import CanonicError as CanonicError
    from canonic.errors import ConversionError as ConversionError
    from canonic.errors import DataError as DataError
    from canonic.errors import StorageError as StorageError
    from canonic.goals import Goal as Goal
    from canonic.goals import convert as convert
    from canonic.measure import Evaluation as Evaluation
    from canonic.measure import evaluate as evaluate
    from canonic.network import SpikingNetwork as SpikingNetwork
    from canonic.network import load as load
    from canonic.sweep import Comparison as Comparison
    from canonic.sweep import compare as compare

_HOMES = {
    "codes": (
        *("Binary", "Burst", "CSS", "Count", "Differential", "ExponentialLatency", "FewSpike", "FittedFewSpike"),
        *("GrowingBurst", "Latency", "MultiThreshold", "Phase", "Rate", "SigmaDelta", "SignedRate"),
    ),
    "conversion": ("Override", "Settings", "explain"),
    "errors": ("CanonicError", "ConversionError", "DataError", "StorageError"),
    "goals": ("Goal", "convert"),
    "measure": ("Evaluation", "evaluate"),
    "network": ("SpikingNetwork", "load"),
    "sweep": ("Comparison", "compare"),
}
_PACKAGES = ("codes", "conversion", "datasets", "errors", "goals", "learn", "measure", "network", "report", "sweep")

__all__ = [
    "CSS",
    "Binary",
    "Burst",
    "CanonicError",
    "Comparison",
    "ConversionError",
    "Count",
    "DataError",
    "Differential",
    "Evaluation",
    "ExponentialLatency",
    "FewSpike",
    "FittedFewSpike",
    "Goal",
    "GrowingBurst",
    "Latency",
    "MultiThreshold",
    "Override",
    "Phase",
    "Rate",
    "Settings",
    "SigmaDelta",
    "SignedRate",
    "SpikingNetwork",
    "StorageError",
    "compare",
    "convert",
    "evaluate",
    "explain",
    "load",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: torch takes seconds to load, the command line's help must not."""
    if name == "__version__":
        return version("canonic")
    if name in _PACKAGES:
        return importlib.import_module(f"canonic.{name}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"canonic.{home}"), name)
    raise AttributeError(f"module canonic has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted((*__all__, *_PACKAGES, "__version__"))
