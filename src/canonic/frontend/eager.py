"""The model itself, as it computes in evaluation mode: what the graph must equal."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from canonic.frontend.models import Model

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}
"""Largest difference, in units of the largest output: rounding in another order, made larger by depth."""

_OWN = ("_parameters", "_buffers", "_modules")


@contextmanager
def evaluating(model: Model) -> Iterator[Callable[[], dict[str, Tensor]]]:
    """Put a model in evaluation mode, and in the end leave it as it was, whatever ran meanwhile.

    Modes, attributes, parameters and buffers are put back, with the numbers in them, so that a forward that keeps its
    activations or constrains its weights leaves no trace. A copy would do too, where a model can be copied.

    Yields:
        a function that returns the parameters and buffers whose numbers have changed, by name.
    """
    modules = [] if isinstance(model, ExportedProgram) else list(model.modules())
    tensors = [(name, tensor, tensor.data, tensor.detach().clone()) for name, tensor in _tensors(model)]
    attributes = [dict(vars(module)) for module in modules]
    own = [{name: dict(vars(module)[name]) for name in _OWN} for module in modules]
    try:
        for module in modules[:1]:
            module.eval()
        yield lambda: {name: t.detach().clone() for name, t, _, before in tensors if not _equal(t.data, before)}
    finally:
        for module, known, held in zip(modules, attributes, own, strict=True):
            _refill(vars(module), known)
            for name in _OWN:
                _refill(vars(module)[name], held[name])
        for _, tensor, data, before in tensors:
            tensor.data = data
            if not _equal(data, before):
                data.copy_(before)


def answers(model: Model, inputs: Sequence[Tensor], form: pytree.TreeSpec) -> list[Tensor]:
    """Return the outputs of a model, which may change its inputs in place: it gets copies.

    Args:
        model: that is called.
        inputs: in the order of the graph's.
        form: of the call's arguments: those by place, and those by name.
    """
    module = model.module() if isinstance(model, ExportedProgram) else model
    with torch.no_grad():
        placed, named = pytree.tree_unflatten([x.clone() for x in inputs], form)
        return [x for x in pytree.tree_leaves(module(*placed, **named)) if isinstance(x, Tensor)]


def agree(ours: Tensor, theirs: Tensor) -> bool:
    """Tell whether two outputs are the same but for rounding; any is, to one that is not finite."""
    if ours.shape != theirs.shape:
        return False
    if not bool(theirs.isfinite().all()):
        return True  # what overflows is named by the calibration
    return float((ours - theirs).abs().max()) <= TOLERANCE.get(ours.dtype, 1e-3) * float(theirs.abs().max())


def distinct(x: Tensor) -> Tensor:
    """Return two or three samples that differ, from a batch of one or more."""
    return torch.cat([x, x.roll(1, -1)]) if len(x) == 1 else x[:3]


def _tensors(model: Model) -> Iterable[tuple[str, Tensor]]:
    """Return the parameters, buffers and constants of a model by name, each of them once."""
    named = [*model.named_parameters(), *model.named_buffers()]
    if isinstance(model, ExportedProgram):
        named += [(name, value) for name, value in model.constants.items() if isinstance(value, Tensor)]
    return {id(tensor): (name, tensor) for name, tensor in reversed(named)}.values()


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.is_meta or (one.dtype == other.dtype and torch.equal(one, other))


def _refill(entries: dict[str, object], known: dict[str, object]) -> None:
    """Make a dict hold what it once did; it stays the same dict, in the same order."""
    entries.clear()
    entries.update(known)
