"""What a training goes on from: one safetensors file, written whole or not at all. Nothing is ever unpickled."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn

from canonic.errors import StorageError, TrainingError
from canonic.learn.batches import Batch
from canonic.learn.history import History
from canonic.learn.recipe import Recipe
from canonic.learn.sameness import came_to, described, other_fields, other_modules, other_outcome
from canonic.learn.system import System
from canonic.network.storage import TRAINING, contents, write_whole

FILE = "training.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A training after its last whole epoch.

    Attributes:
        history: how it went.
        net: parameters and buffers, by name.
        memory: what else the system goes on from, as the moments of its optimiser.
        best: as ``net``, after the epoch that is chosen.
        modules: of the network, as ``described``; empty if an earlier version wrote it.
        first: what the system makes of some samples, as ``came_to``; likewise.
    """

    history: History
    net: Mapping[str, Tensor]
    memory: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    modules: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, float] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors, under the part that they are of."""
        parts = {"net": self.net, "memory": self.memory, "best": {} if self.best is self.net else self.best}
        return {f"{part}/{name}": tensor for part, own in parts.items() for name, tensor in own.items()}


def kept(system: System, history: History, before: Checkpoint | None = None) -> Checkpoint:
    """Return what is kept of a system after an epoch, or before the first."""
    net = _copied(system.net.state_dict())
    best = net if before is None or history.chosen == len(history.epochs) else before.best
    return Checkpoint(history, net, _copied(system.memory()), best)


def restore(system: System, checkpoint: Checkpoint) -> None:
    """Make a system what it was."""
    system.net.load_state_dict(dict(checkpoint.net))
    system.recall(checkpoint.memory)


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the one before.

    Raises:
        StorageError: if it cannot be written; the one before stays.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in checkpoint.tensors().items()}
    known = {"history": checkpoint.history.to_json(), "modules": checkpoint.modules, "first": checkpoint.first}
    told = {"format": TRAINING, **{name: json.dumps(value) for name, value in known.items()}}
    write_whole(folder / FILE, save(tensors, told))


def read(folder: Path) -> Checkpoint | None:
    """Return the checkpoint of a folder; None if it has none.

    Raises:
        StorageError: if it cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        header, tensors = contents(path)
        if header.get("format") != TRAINING:
            raise ValueError(f"its format is {header.get('format')!r}, not {TRAINING!r}")
        history = History.from_json(json.loads(header["history"]))
        modules, first = (json.loads(header.get(name, "{}")) for name in ("modules", "first"))
        modules = {name: str(text) for name, text in modules.items()}
        first = {name: float(value) for name, value in first.items()}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise StorageError(
            f"{path} is no training to go on with, or it is damaged ({error}): remove it to begin again"
        ) from None
    net, memory, best = (_part(tensors, part) for part in ("net", "memory", "best"))
    return Checkpoint(history, net, memory, best or net, modules, first)


def recognised(checkpoint: Checkpoint, system: System, batch: Batch) -> Checkpoint:
    """Return a checkpoint with what its system is known by: its modules, and what it makes of some samples."""
    return replace(checkpoint, modules=described(system.net), first=came_to(system, checkpoint.net, batch))


def made(folder: Path) -> Path:
    """Return a folder, made if there is none.

    Raises:
        StorageError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder} ({error.strerror}): choose another") from None
    return folder


def forget(folder: Path) -> None:
    """Remove the checkpoint of a folder, and the folder where nothing else is in it."""
    with suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)
        folder.rmdir()


def require_same(checkpoint: Checkpoint, system: System, history: History, batch: Batch, folder: Path) -> None:
    """Check that a checkpoint is of this training.

    Args:
        checkpoint: of the folder.
        system: as it is given, before it goes on from there.
        history: of this training, which has not begun.
        batch: its first samples.
        folder: for the message.

    Raises:
        TrainingError: if it has another recipe, other data, another network, or another system around it.
    """
    found, wanted = checkpoint.history.record, history.record
    others = _of_recipes(Recipe.from_json(found["recipe"]), system.recipe)
    others += [f"other {key} samples" for key in ("data", "validation") if found.get(key) != wanted[key]]
    texts = checkpoint.modules if found.get("versions") == wanted["versions"] else {}  # which another version changes
    others += _of_networks(texts, checkpoint.net, system.net)
    if not others and checkpoint.first:
        others = other_outcome(checkpoint.first, system, checkpoint.net, batch)
    if others:
        raise TrainingError(
            f"{folder} holds a training with {' and '.join(others)}: choose another folder, or remove "
            f"{folder / FILE} to begin again"
        )


def _of_networks(modules: Mapping[str, str], state: Mapping[str, Tensor], net: nn.Module) -> list[str]:
    """Return the first difference between two networks, in words; of modules if any are known."""
    if modules and (found := other_modules(modules, net)):
        return found
    shapes = {name: tensor.shape for name, tensor in net.state_dict().items()}
    if shapes != {name: tensor.shape for name, tensor in state.items()}:
        return ["another network"]
    return other_fields(state, net)


def _of_recipes(held: Recipe, wanted: Recipe) -> list[str]:
    """Return the first difference that forbids to go on, in words."""
    if wanted.goes_on_from(held):
        return []
    there, here = held.to_json(), wanted.to_json()
    found = [f"another recipe ({key} {there[key]}, here {value})" for key, value in here.items() if there[key] != value]
    return found[:1]


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}/"): t for name, t in tensors.items() if name.startswith(f"{part}/")}
