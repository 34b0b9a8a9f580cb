"""Neurons that integrate, leak and fire over many steps in C, where no gradient is wanted.

The scan of their step is what they equal, bit for bit: each number is rounded as torch's operators round it.
"""

import math
from ctypes import c_int64
from typing import cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.native.build import Source, program
from canonic.native.population import place
from canonic.neurons.leaky import Leaky
from canonic.neurons.rules import IF, LIF, Rule, State
from canonic.neurons.running import Moved
from canonic.neurons.surrogate import Surrogate

SOFT, HARD, LATER = range(3)
"""What a spike does to the membrane, as leaky.c numbers it."""


Plain = IF | LIF | Leaky
Field = float | Tensor


def obstacle(rule: Rule, state: State, currents: Float[Tensor, "time batch *shape"]) -> str | None:
    """Return why leaky.c does not run a rule from a state on these currents; None if it does."""
    if type(rule) not in get_args(Plain) or type(cast("Plain", rule).fire) is not Surrogate:
        return f"the rule {type(rule).__name__} is a scan of its step"
    read = [x for x in (currents, *state, *vars(rule).values()) if isinstance(x, Tensor)]
    if torch.compiler.is_compiling():
        return "torch compiles their loop"
    if torch.is_grad_enabled() and any(x.requires_grad for x in read):
        return "gradients are wanted"
    devices, types = {x.device.type for x in read} - {"cpu"}, {x.dtype for x in read} - {torch.float32}
    if devices:
        return f"streams are on {min(devices)}"
    return f"there are streams of {min(map(str, types))}" if types else None


def leaky_run(
    rule: Plain, state: State, currents: Float[Tensor, "time batch *shape"], *, membrane: bool
) -> Moved | None:
    """Return what ``moved`` does; None where there is no C compiler.

    Args:
        rule: that has no ``obstacle``.
        state: before the first of the steps.
        currents: of all of them.
        membrane: keep the membranes.
    """
    run = program(Source(("leaky.c",), "leaky"))
    if run is None:
        return None
    *fields, reset = _fields(rule)
    steps, batch, *shape = currents.shape
    own = [torch.as_tensor(value, dtype=torch.float32).expand(shape).contiguous() for value in fields]
    given = currents.contiguous()
    u, s = (x.clone(memory_format=torch.contiguous_format) for x in (state[0], state[-1]))
    sent, membranes = torch.empty_like(given), torch.empty_like(given) if membrane else None
    threads = min(torch.get_num_threads(), 1 + given.numel() // 65536)
    streams = map(place, (given, *own, u, s, sent, membranes))
    run(*streams, *map(c_int64, (steps, batch, math.prod(shape))), reset, threads)
    return Moved(sent, rule.rests(*(u, s)[: len(state)]), None, membranes)


def _fields(rule: Plain) -> tuple[Field, Field, Field, Field, int]:
    """Return the leak, the bar, what a spike takes, what is sent for one, and when it is taken."""
    match rule:
        case IF(theta=theta, at=at):
            return 1.0, at * theta, theta, theta, SOFT
        case LIF(leak=leak, theta=theta, reset=reset):
            return leak, theta, theta, 1.0, SOFT if reset == "soft" else HARD
    return rule.leak, rule.theta, rule.theta, 1.0, LATER
