"""What a file holds that the user names: a network of steps, or a trained system that is none."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from canonic.learn.zoo.trial import ZooTrial, load_trial
from canonic.network import SpikingNetwork, load
from canonic.network.storage import TRIAL


def open_network(path: Path) -> SpikingNetwork | ZooTrial:
    """Return what a file holds.

    Raises:
        StorageError: if it is missing, damaged, or of another kind.
    """
    return load_trial(path) if _format(path) == TRIAL else load(path)


def _format(path: Path) -> str:
    """Return the format that a file names; "" if it names none."""
    try:
        with safe_open(path, "pt") as file:
            return str((file.metadata() or {}).get("format", ""))
    except (SafetensorError, OSError):
        return ""
