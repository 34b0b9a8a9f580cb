"""Adaptive neurons over many steps in C, with a recurrence or without: forward, and the exact backward pass.

The scan of ``ALIF.step`` is what they equal: spikes are the same but where a sum of currents, in another order, lies
within rounding of the threshold.
"""

from collections.abc import Sequence
from ctypes import c_int64
from functools import cache
from typing import TypeGuard, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from canonic.native.build import Program, Source, program
from canonic.native.population import place
from canonic.neurons.adaptive import ALIF, Adapted, decay

FIELDS = ("alpha", "rho", "beta", "base")


@cache
def _programs() -> tuple[Program, Program] | None:
    """Return the programs of both passes; None where there is no C compiler."""
    forward, backward = (program(Source(("recurrent.c",), f"adaptive_{name}")) for name in ("forward", "backward"))
    return None if forward is None or backward is None else (forward, backward)


def adaptive_run(
    rule: ALIF, currents: Float[Tensor, "time batch *shape"], recurrence: Float[Tensor, "to start"] | None = None
) -> Adapted | None:
    """Return the states of all steps from rest, each ``[time, batch, *shape]``; None where C cannot do it.

    Args:
        rule: of the neurons.
        currents: of all steps, ``[time, batch, size]`` if there is a recurrence.
        recurrence: weights from the spikes of the step before to currents that are added.
    """
    given = [currents, *(() if recurrence is None else (recurrence,))]
    if any(x.dtype != torch.float32 or x.device.type != "cpu" for x in given) or _programs() is None:
        return None
    shape = currents.shape[2:]
    values = decay(rule.tau, currents), decay(rule.tau_adaptation, currents), rule.beta, rule.base
    fields = [torch.as_tensor(value, dtype=torch.float32).expand(shape).flatten() for value in values]
    did = _Adaptive.apply(currents.flatten(2), recurrence, *fields, rule)  # type: ignore[no-untyped-call]
    return Adapted(*(stream.unflatten(2, shape) for stream in did))


def is_matrix(module: nn.Module, currents: Tensor) -> TypeGuard[nn.Linear]:
    """Say whether a recurrence is nothing but a matrix for these currents, ``[time, batch, size]``."""
    plain = (
        type(module) is nn.Linear and module.bias is None and not (module._forward_hooks or module._forward_pre_hooks)
    )
    return plain and currents.dim() == 3 and module.weight.shape == 2 * currents.shape[2:]


class _Adaptive(torch.autograd.Function):
    """The streams u, b and s of adaptive neurons."""

    @staticmethod
    def forward(ctx: FunctionCtx, currents: Tensor, recurrence: Tensor | None, *given: Tensor | ALIF) -> Adapted:
        *given_fields, rule = given
        fields = [cast("Tensor", field).contiguous() for field in given_fields]
        currents = currents.contiguous()
        into = None if recurrence is None else recurrence.T.contiguous()
        total = currents if into is None else torch.empty_like(currents)
        u, b, s = (torch.empty_like(currents) for _ in range(3))
        _call(0, currents, (currents, into, *fields, _nothing(currents), total, u, b, s))
        ctx.save_for_backward(recurrence, *fields, total, u, b, s)  # type: ignore[arg-type]
        ctx.slope = cast("ALIF", rule).fire.slope  # type: ignore[attr-defined]
        ctx.set_materialize_grads(False)
        return Adapted(u, b, s)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        recurrence, *fields, total, u, b, s = ctx.saved_tensors  # type: ignore[attr-defined]
        _, _, beta, base = fields
        slope = ctx.slope(u - (base + beta * b)).contiguous()  # type: ignore[attr-defined]
        given = [None if grad is None else grad.contiguous() for grad in grads]
        back, sums = torch.empty_like(u), torch.zeros(2, u.shape[1], len(FIELDS), u.shape[2])
        matrix = None if recurrence is None else recurrence.contiguous()
        _call(1, u, (*given, slope, matrix, *fields, _nothing(u), total, u, b, s, back, *sums))
        weights = None if matrix is None else back[1:].flatten(0, 1).T @ s[:-1].flatten(0, 1)
        return back, weights, *sums[1].sum(0), None


def _nothing(like: Tensor) -> Tensor:
    """Return the state before the first step of a sample."""
    return torch.zeros(like.shape[2])


def _call(which: int, like: Tensor, tensors: Sequence[Tensor | None]) -> None:
    """Call one of the programs; samples are shared out to threads."""
    threads = min(torch.get_num_threads(), like.shape[1], 1 + like.numel() // 65536)
    run = cast("tuple[Program, Program]", _programs())[which]
    run(*map(place, tensors), *map(c_int64, like.shape), threads)
