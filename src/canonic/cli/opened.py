"""What a file holds that the user names: a network of steps, also as NIR, or a trained system that is none."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from canonic.export.nir import load_nir
from canonic.learn.zoo.trial import ZooTrial, load_trial
from canonic.network import SpikingNetwork, load
from canonic.network.storage import TRIAL

HDF5 = b"\x89HDF\r\n\x1a\n"
"""What a file of NIR begins with."""


def open_network(path: Path) -> SpikingNetwork | ZooTrial:
    """Return what a file holds.

    Raises:
        StorageError: if it is missing, damaged, or of another kind.
    """
    return load_trial(path) if _format(path) == TRIAL else open_steps(path)


def open_steps(path: Path) -> SpikingNetwork:
    """Return the network of steps that a file holds.

    Raises:
        StorageError: if it is missing, damaged, or of another kind.
    """
    return load_nir(path) if _begins(path) == HDF5 else load(path)


def _begins(path: Path) -> bytes:
    """Return the first bytes of a file; none if there is no such file."""
    try:
        with path.open("rb") as file:
            return file.read(len(HDF5))
    except OSError:
        return b""


def _format(path: Path) -> str:
    """Return the format that a file names; "" if it names none."""
    try:
        with safe_open(path, "pt") as file:
            return str((file.metadata() or {}).get("format", ""))
    except (SafetensorError, OSError):
        return ""
