"""Checks of a training before it begins: what it is given can be run, and answers the same when it is asked again."""

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from canonic.datasets import Data
from canonic.errors import CanonicError, DataError, TrainingError, first_line
from canonic.learn.batches import taken
from canonic.learn.history import History
from canonic.learn.system import System, seeded
from canonic.words import one


class Silence(UserWarning):
    """What is said of a training in which nothing comes out of the network."""


def require_system(system: object) -> None:
    """Raise a TrainingError unless it is a system: a network with its recipe, its step and its answer."""
    if not isinstance(system, System):
        raise TrainingError(
            f"what is trained must be a network with its recipe, as Gradient(net, forward, loss, recipe), got "
            f"{one(type(system).__name__)}"
        )


def require_runs(system: System, x: Shaped[Tensor, "batch ..."]) -> None:
    """Check that a system takes its samples, and that no call of it leaves anything for the next.

    What this library says of a network that it does not take is left to the training, which says how much is kept.

    Args:
        system: to be trained.
        x: some of its samples.

    Raises:
        DataError: if the network cannot be run on them.
        TrainingError: if it answers otherwise when it is asked again.
    """
    before = _kept(system.net)
    try:
        first, again = (_answer(system, x) for _ in range(2))
    except CanonicError:
        return
    except (RuntimeError, TypeError, IndexError, AttributeError) as error:
        raise DataError(
            f"the network cannot be run on samples {list(x.shape[1:])} of {x.dtype}: {first_line(error)}; give "
            "them as it takes them, or mend its forward"
        ) from error
    if first.shape != again.shape or not torch.equal(first, again):
        raise TrainingError(
            f"the network answers otherwise when the same samples are given again: {_changed(before, system.net)}; a "
            "call starts from rest, what passes on from step to step belongs in the rule of a Population"
        )


def require_several(system: System, data: Data, least: int, world: int) -> None:
    """Check that no batch norm is left with one number a channel, of which there is no deviation.

    Args:
        system: to be trained.
        data: that it learns from.
        least: samples of its smallest update.
        world: processes that share them.

    Raises:
        TrainingError: if one is.
    """
    if least >= 2 * world:
        return
    alone: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda _, given: alone.append(name) if given[0].numel() == given[0].shape[1] else None

    norms = [(name, module) for name, module in system.net.named_modules() if isinstance(module, _BatchNorm)]
    hooks = [module.register_forward_pre_hook(note(name)) for name, module in norms]
    try:
        with suppress(CanonicError):
            _answer(system, taken(data, range(1))[0])
    finally:
        for hook in hooks:
            hook.remove()
    if alone:
        few = len(data) < 2 * world  # type: ignore[arg-type]
        remedy = "learn from more samples" if few else f"take batch={4 * world} or more"
        raise TrainingError(
            f"batch norm {alone[0]} takes the deviation of the samples of an update, and there is one with a single "
            f"sample: {remedy}"
        )


def warn_of_silence(history: History) -> None:
    """Warn of a training in whose last epoch no sample had any output."""
    if history.epochs and history.epochs[-1].measures.get("silent") == 1:
        warnings.warn(
            f"no output came of any sample in epoch {len(history.epochs)}, the last (100 % of them were silent), so "
            "that no event answers: lower the thresholds, or scale inputs or first weights up",
            Silence,
            stacklevel=2,
        )


def _answer(system: System, x: Tensor) -> Tensor:
    """Return the answers to some samples; what is drawn is drawn from one seed."""
    with seeded(system.recipe.seed, x.device):
        return system.answer(x).nan_to_num()


def _kept(net: nn.Module) -> Mapping[str, tuple[object, int]]:
    """Return what each module holds by its place, with the number of its changes."""
    return {
        f"{name}.{key}".removeprefix("."): (value, getattr(value, "_version", 0))
        for name, module in net.named_modules()
        for key, value in (*vars(module).items(), *module._buffers.items())
        if not key.startswith("_") and key != "training"
    }


def _changed(before: Mapping[str, tuple[object, int]], net: nn.Module) -> str:
    """Say what a network holds that it did not hold before."""
    for place, (value, version) in _kept(net).items():
        known, count = before.get(place, (None, version))
        if value is not known or version != count:
            return f"{place} is kept from one call to the next"
    return "something is kept from one call to the next, or drawn without a seed"
