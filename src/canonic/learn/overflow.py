"""Which layer's numbers are the first that are not finite."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from canonic.errors import DataError
from canonic.learn.recipe import Recipe
from canonic.learn.schedule import Run


def culprit(net: nn.Module, again: Callable[[], Run]) -> str:
    """Return what is not finite: the first membrane that overflowed, else the first output, else a gradient.

    Args:
        net: whose parameters have gradients.
        again: the forward pass.
    """
    seen: list[str] = []
    leaves = ((name, module) for name, module in net.named_modules() if not list(module.children()))
    hooks = [module.register_forward_hook(_noting(name, seen)) for name, module in leaves]
    try:
        with torch.no_grad():
            run = again()
    finally:
        for hook in hooks:
            hook.remove()
    for name, memory in run.state.items():
        if not _finite(memory.state):
            return f"the membrane of population {name} overflowed"
    if seen:
        return f"the output of layer {seen[0]} overflowed"
    bad = [name for name, p in net.named_parameters() if p.grad is not None and not _finite([p.grad])]
    return (
        f"the gradient of {bad[-1]} overflowed"
        if bad
        else "no layer overflowed, but the loss, or the sum of its gradients, did"
    )


def require_samples(x: Shaped[Tensor, "batch ..."], labels: int, loss: float) -> None:
    """Raise a DataError if samples are why a loss is not finite: a number of theirs is not, or none has a label."""
    if not x.isfinite().all():
        raise DataError("a sample holds NaN or infinity: leave it out, or put a number there")
    if not labels:
        raise DataError(
            f"no step of a batch has a label, and its loss is {loss:g}: let it be 0 there, as that of "
            "losses.cross_entropy_each, or take larger batches"
        )


def overflowed(loss: float, norm: float, where: str, recipe: Recipe) -> str:
    """Return what to say of a loss or a gradient that is not finite, and where it began."""
    halved = ", leave autocast out" if recipe.autocast else ""
    return (
        f"the loss is {loss:.4g} and the norm of its gradient {norm:.4g}: {where}; take a smaller learning rate than "
        f"{recipe.optimiser.lr:g}, or clip=1.0{halved}"
    )


def _noting(name: str, seen: list[str]) -> Callable[..., None]:
    """Return a hook that notes a module whose output is not finite."""

    def note(_module: nn.Module, _given: object, output: object) -> None:
        if isinstance(output, Tensor) and not _finite([output]):
            seen.append(name)

    return note


def _finite(tensors: Iterable[Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
