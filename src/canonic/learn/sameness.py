"""Whether a system is the one that a checkpoint is of: by its modules, and by what it makes of the weights there."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from canonic.learn.batches import Batch
from canonic.learn.population import FIXED
from canonic.learn.system import Gradient, System, seeded

CLOSE, CLOSE_HALVED = 1e-2, 5e-2
"""What another machine, or other threads, may change of an outcome, in fp32 and in bfloat16: some spikes come or go."""

SAME = 1e-4
"""What may be off a number that is not computed."""

Known = nn.ParameterDict | nn.ParameterList
"""What says of itself on which device its parameters are."""


def described(net: nn.Module) -> dict[str, str]:
    """Return of each module of a network its kind, what it says of itself, and which of its parameters are not trained.

    Tensors are left out, which a state has, and addresses, which every process has its own of.

    >>> described(nn.Sequential(nn.Dropout(0.25)))
    {'': 'Sequential', '0': 'Dropout, p=0.25, inplace=False'}
    """
    return {name: ", ".join(_told(module)) for name, module in net.named_modules()}


def _told(module: nn.Module) -> Iterator[str]:
    yield type(module).__name__
    if said := "" if isinstance(module, Known) else module.extra_repr():
        yield re.sub(r" at 0x[0-9a-fA-F]+|tensor\([^()]*\)", "", said)
    yield from (f"{name} fixed" for name, p in module.named_parameters(recurse=False) if not p.requires_grad)


def came_to(system: System, state: Mapping[str, Tensor], batch: Batch) -> dict[str, float]:
    """Return what a system makes of some samples with the weights of a checkpoint; it stays as it is.

    That is how many steps it answers after, and the mean size of what it answers; of one with a gradient also the loss
    and the norm of the gradient, while it trains.
    """
    with _holding(system.net, state):
        with seeded(system.recipe.seed, batch[0].device):
            answer = system.answer(batch[0])
        found = {"steps": float(len(answer)), "answer": float(answer.nan_to_num(0.0, 0.0, 0.0).abs().mean())}
        if isinstance(system, Gradient):
            loss = system.loss(*batch)
            moved = [p for p in system.net.parameters() if p.requires_grad]
            gradients = torch.autograd.grad(loss, moved, allow_unused=True)
            squares = sum(float(g.square().sum()) for g in gradients if g is not None)
            found |= {"loss": loss.item(), "gradient": math.sqrt(squares)}
    return found


@contextmanager
def _holding(net: nn.Module, state: Mapping[str, Tensor]) -> Iterator[None]:
    """Let a network have another state, and give it back its own."""
    own, training = {name: tensor.clone() for name, tensor in net.state_dict().items()}, net.training
    net.load_state_dict(dict(state))
    try:
        yield
    finally:
        net.load_state_dict(own)
        net.train(training)


def other_modules(there: Mapping[str, str], net: nn.Module) -> list[str]:
    """Return the first module of a network that is another than the one there, and in what, in words."""
    here = described(net)
    name = next((name for name in (*here, *there) if here.get(name) != there.get(name)), None)
    if name is None:
        return []
    one, other = there.get(name, "none"), here.get(name, "none")
    words = zip(*(re.split(r"[(),]\s*", text) for text in (one, other)), strict=False)
    one, other = next((pair for pair in words if pair[0] != pair[1]), (one, other))
    return [f"another network ({name or 'itself'}: {one}, here {other})"]


def other_fields(there: Mapping[str, Tensor], net: nn.Module) -> list[str]:
    """Return the first field of a rule, a tensor that is not trained, that is another there, in words.

    It is no state that a training goes on from, though it is kept with it.
    """
    for name, tensor in net.state_dict().items():
        if FIXED in name and not torch.allclose(tensor.cpu().double(), there[name].double(), rtol=SAME):
            return [f"another rule ({name.replace(FIXED, '')} has other numbers)"]
    return []


def other_outcome(there: Mapping[str, float], system: System, state: Mapping[str, Tensor], batch: Batch) -> list[str]:
    """Return what a system makes of the weights of a checkpoint that the one there did not, in words."""
    close = CLOSE_HALVED if system.recipe.autocast else CLOSE
    for name, value in came_to(system, state, batch).items():
        known, rtol = there.get(name, math.nan), 0.0 if name == "steps" else close
        both_undefined = math.isnan(known) and math.isnan(value)
        if not (both_undefined or math.isclose(known, value, rel_tol=rtol, abs_tol=1e-5)):
            words = f"its weights, on the first samples: {name} {known:.6g}, here {value:.6g}"
            return [f"other steps, another loss or another rule ({words})"]
    return []
