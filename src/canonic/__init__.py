"""Trained PyTorch networks as spiking networks of ternary spikes, by Canonic Signed Spike coding."""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
    from canonic.codes import CSS as CSS
    from canonic.conversion import Override as Override
    from canonic.conversion import Settings as Settings
    from canonic.conversion import convert as convert
    from canonic.conversion import explain as explain
    from canonic.errors import CanonicError as CanonicError
    from canonic.errors import ConversionError as ConversionError
    from canonic.errors import DataError as DataError
    from canonic.errors import StorageError as StorageError
    from canonic.measure import Evaluation as Evaluation
    from canonic.measure import evaluate as evaluate
    from canonic.network import SpikingNetwork as SpikingNetwork
    from canonic.network import load as load

_HOMES = {
    "codes": ("CSS",),
    "conversion": ("Override", "Settings", "convert", "explain"),
    "errors": ("CanonicError", "ConversionError", "DataError", "StorageError"),
    "measure": ("Evaluation", "evaluate"),
    "network": ("SpikingNetwork", "load"),
}
_PACKAGES = ("codes", "conversion", "datasets", "errors", "measure", "network", "report", "sweep")

__all__ = [
    "CSS",
    "CanonicError",
    "ConversionError",
    "DataError",
    "Evaluation",
    "Override",
    "Settings",
    "SpikingNetwork",
    "StorageError",
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
