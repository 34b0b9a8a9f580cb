"""A trained system that is no network of steps: measured as one, and kept in a file from which it is built again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn

from canonic.errors import CanonicError, StorageError, TrainingError
from canonic.learn.outcome import Outcome, Trial
from canonic.learn.recipe import Recipe
from canonic.learn.system import System
from canonic.learn.zoo import entry as entry_named
from canonic.learn.zoo.entry import Entry, Shape
from canonic.network.description import shown
from canonic.network.inputs import require_real, require_samples
from canonic.network.storage import TRIAL, contents, write_whole


@dataclass(frozen=True)
class ZooTrial:
    """A trained system of the zoo that ``canonic.evaluate`` measures as a ``Trial``.

    Attributes:
        entry: what it is.
        shape: of a sample.
        classes: that it tells apart.
        system: with its trained network.
        trial: what measures it.
        record: of its training, as plain data.
    """

    entry: Entry
    shape: Shape
    classes: int
    system: System
    trial: Trial
    record: Mapping[str, Any]

    @property
    def net(self) -> nn.Module:
        """Its parameters and buffers."""
        return self.system.net

    @property
    def neurons(self) -> Mapping[str, int]:
        """Neurons of each population."""
        return self.trial.neurons

    @property
    def steps(self) -> int:
        """Steps of its readout."""
        return self.trial.steps

    def outcome(self, x: Shaped[Tensor, "batch ..."]) -> Outcome:
        """Return what a batch does, in evaluation mode.

        Raises:
            DataError: if samples have another shape than those of the training, or are not finite.
        """
        name = f"{self.entry.name}: input x"
        if self.entry.kind == "pictures":  # events of sequences may be bytes
            require_real(x, name)
        require_samples(x, self.shape, name)
        return self.trial.outcome(x)

    def describe(self) -> dict[str, Any]:
        """Return what is known of it, as plain data."""
        return {"system": self.entry.name, "codes": self.entry.codes, **shown(self.record)}

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file, whole or not at all.

        Raises:
            StorageError: if it cannot be written, or a weight is not finite.
        """
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.net.state_dict().items()}
        if wrong := _not_finite(tensors):
            raise StorageError(f"{self.entry.name} cannot be saved in {path}: {wrong}")
        told = {
            "entry": self.entry.name,
            "shape": self.shape,
            "classes": self.classes,
            "recipe": self.system.recipe.to_json(),
            "record": dict(self.record),
        }
        write_whole(Path(path), save(tensors, {"format": TRIAL, "trial": json.dumps(told)}))


def trial_of(
    entry: Entry, system: System, shape: Shape, classes: int, record: Mapping[str, Any] | None = None
) -> ZooTrial:
    """Return a system of an entry that has a trial, as what is measured and kept."""
    if entry.trial is None:
        raise TrainingError(f"{entry.name} is a network of steps: it is measured as one, by as_network")
    return ZooTrial(entry, shape, classes, system, entry.trial(system), record or {})


def load_trial(path: str | PathLike[str]) -> ZooTrial:
    """Read what ``ZooTrial.save`` wrote.

    Raises:
        StorageError: if the file is missing, damaged, or of another kind.
    """
    try:
        header, tensors = contents(path)
        told = json.loads(header["trial"])
        entry, recipe = entry_named(told["entry"]), Recipe.from_json(told["recipe"])
        shape, classes = tuple(map(int, told["shape"])), int(told["classes"])
        _require_alike(entry, shape, classes, tensors)
        system = entry.system(shape, classes, recipe)
        system.net.load_state_dict(tensors)
        return trial_of(entry, system, shape, classes, dict(told["record"]))
    except FileNotFoundError:
        raise StorageError(f"there is no file {path}") from None
    except (SafetensorError, OSError, *_DAMAGE) as error:
        raise StorageError(
            f"{path} is no trained system that this version reads, or it is damaged ({type(error).__name__}: {error}): "
            "train it again, with canonic train"
        ) from None


_DAMAGE = (CanonicError, KeyError, TypeError, ValueError, AttributeError, RuntimeError, RecursionError)


def _require_alike(entry: Entry, shape: Shape, classes: int, tensors: Mapping[str, Tensor]) -> None:
    """Check that a file's tensors are those of the network that it names, before anything of its size is made.

    Raises:
        ValueError: if one is missing, has another shape, or is not finite.
    """
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in entry.build(shape, classes).state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != wanted:
        name = next(name for name in (*wanted, *found) if wanted.get(name) != found.get(name))
        raise ValueError(f"{name} has the shape {found.get(name)}, {entry.name} needs {wanted.get(name)}")
    if wrong := _not_finite(tensors):
        raise ValueError(wrong)


def _not_finite(tensors: Mapping[str, Tensor]) -> str:
    """Say which tensor holds NaN or infinity; "" if none does."""
    wrong = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    return f"{wrong[0]} holds NaN or infinity" if wrong else ""
