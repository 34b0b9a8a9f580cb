"""The weights of a network, from a file as people have it: a state dict, or a checkpoint that holds one somewhere."""

import pickle
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from canonic.cluster import workers
from canonic.errors import StorageError, first_line

PLACES = ("", "state_dict", "model_state_dict", "model")
"""Where checkpoints have the weights that were trained; averages of them have other names."""

WRAPPERS = {"module", "_orig_mod", "model", "net", "network"}
"""What DataParallel, torch.compile and Lightning put before the names of the weights."""


@dataclass(frozen=True)
class Taken:
    """A part of a checkpoint that may be the weights of a network.

    Attributes:
        place: the key, or keys joined by dots, under which it lies; "" for the file itself.
        prefix: what the names in the file begin with, and those of the network do not.
        state: by the names of the network.
        left: names beside these, without the prefix.
    """

    place: str
    prefix: str
    state: Mapping[str, Tensor]
    left: tuple[str, ...]

    def __str__(self) -> str:
        named = f"whose names begin with {self.prefix!r}" if self.prefix else ""
        return " ".join(filter(None, (f"under {self.place!r}" if self.place else "", named))) or "of the file itself"


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill a model with the weights in a file, without ever unpickling code; say where they were found.

    Args:
        model: the network.
        path: of a state dict, or of a checkpoint with one, as .safetensors or as torch.save writes it.

    Raises:
        StorageError: if the file is missing, damaged, or could run code, or holds no weights that fit.
    """
    own = {name: t for name, t in model.state_dict().items() if isinstance(t, Tensor)}
    try:
        states = dict(_states(_read(path)))
    except RecursionError:
        raise StorageError(
            f"{path} holds itself: save the weights alone, torch.save(model.state_dict(), path)"
        ) from None
    if not states:
        raise StorageError(f"{path} holds no state dict: save one, torch.save(model.state_dict(), path)")
    found = [taken for place in sorted(states, key=_rank) for taken in _parts(own, place, states[place])]
    fitting = [taken for taken in found if not _problems(own, taken)]
    if not fitting:
        raise StorageError(_misfit(own, min(found, key=lambda taken: len(_misnamed(own, taken))), path))
    taken, *others = fitting
    if rivals := [other for other in others if _rank(other.place)[0] == _rank(taken.place)[0]]:
        raise StorageError(
            f"{path} holds several weights that fit, {taken} and {rivals[0]}: save those that you mean, "
            "torch.save(model.state_dict(), path)"
        )
    model.load_state_dict(dict(taken.state), strict=False)
    if workers().first and (taken.place or taken.prefix or others):
        _say(path, taken, others)


def _say(path: Path, taken: Taken, others: Sequence[Taken]) -> None:
    """Say which weights were taken, and what was not."""
    left = f"; left out: {_listed(taken.left)}" if taken.left else ""
    too = f"; others fit too: {_listed([str(other) for other in others])}" if others else ""
    print(f"canonic: {path}: took the weights {taken}{left}{too}", file=sys.stderr)


def _read(path: Path) -> Any:
    """Return what a file holds."""
    if not path.exists():
        raise StorageError(f"there is no weights file {path}")
    if path.is_dir():
        raise StorageError(f"{path} is a folder: name the file of the weights in it, .safetensors or .pt")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise StorageError(f"{path} is truncated or no safetensors file ({error}): copy it again") from None
    _require_weights(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise StorageError(_unsafe(path)) from None
    except (RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        raise StorageError(
            f"{path} is truncated or no file of torch.save ({first_line(error)}): copy it again"
        ) from None


def _require_weights(path: Path) -> None:
    """Raise if a file is an archive of a program, which torch.save did not write."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
    if "constants.pkl" in names:
        raise StorageError(
            f"{path} is a TorchScript archive, code and weights: save the weights alone, "
            f'torch.save(torch.jit.load("{path}").state_dict(), "weights.pt")'
        )
    if "archive_format" in names:
        raise StorageError(f"{path} is an exported program, with its weights: give it as the model, without --weights")


def _unsafe(path: Path) -> str:
    """Return what a pickle holds beside tensors, and how to save the weights alone."""
    try:
        found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # noqa: BLE001 - a damaged pickle may raise anything
        return f"{path} is damaged, or no file of torch.save: copy it again"
    module = any("torch.nn.modules" in name for name in found)
    return (
        f"{path} is a pickle that holds more than tensors ({'a whole module' if module else _listed(found)}), and "
        "could run code: save the weights alone, torch.save(model.state_dict(), path); if you trust the file, "
        f'torch.load("{path}", weights_only=False){".state_dict()" if module else ""} has them'
    )


def _states(loaded: Any, place: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield the dicts of tensors in a checkpoint, and the keys that lead to them."""
    if not isinstance(loaded, Mapping):
        return
    named = {key: value for key, value in loaded.items() if isinstance(key, str)}
    if tensors := {key: value for key, value in named.items() if isinstance(value, Tensor)}:
        yield place, tensors
    for key, value in named.items():
        yield from _states(value, f"{place}.{key}" if place else key)


def _rank(place: str) -> tuple[int, str]:
    return (PLACES.index(place) if place in PLACES else len(PLACES), place)


def _parts(own: Mapping[str, Tensor], place: str, state: Mapping[str, Tensor]) -> Iterator[Taken]:
    """Yield a state dict as it is, and without each prefix that all its names have, or that a wrapper gave them."""
    longest = max(own, key=len, default="")
    prefixes = {name.removesuffix(longest) for name in state if name.endswith(f".{longest}")}
    for prefix in ("", *sorted(prefixes)):
        inside = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
        if len(inside) == len(state) or WRAPPERS.issuperset(prefix.removesuffix(".").split(".")):
            left = tuple(name for name in state if not name.startswith(prefix))
            yield Taken(place, prefix, inside, left)


def _problems(own: Mapping[str, Tensor], taken: Taken) -> dict[str, list[str]]:
    """Return the names that keep weights from fitting, by what is wrong with them."""
    state = taken.state
    counters = "num_batches_tracked"  # of training; torch too takes state dicts without them
    problems = {
        "it lacks": sorted(name for name in own if name not in state and not name.endswith(counters)),
        "unknown to the model": sorted(name for name in state if name not in own),
        "other shapes": [name for name, t in own.items() if name in state and t.shape != state[name].shape],
    }
    return {what: names for what, names in problems.items() if names}


def _misnamed(own: Mapping[str, Tensor], taken: Taken) -> list[str]:
    return [name for names in _problems(own, taken).values() for name in names]


def _misfit(own: Mapping[str, Tensor], taken: Taken, path: Path) -> str:
    said = "; ".join(f"{what}: {_listed(names)}" for what, names in _problems(own, taken).items())
    where = f", {taken}," if taken.place or taken.prefix else ""
    return f"{path}{where} does not fit the model ({said}): take the weights of this architecture"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
