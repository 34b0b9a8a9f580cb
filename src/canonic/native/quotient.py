"""Times of spikes in closed form, by one C program with its exact backward pass; torch's operators where there is none.

Memory is O(batch x spikes x outputs): no tensor has inputs and outputs of every sample.
"""

from ctypes import c_float, c_int64
from functools import cache
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from canonic.native.build import Program, program
from canonic.native.population import place
from canonic.neurons.quotient import Quotient, in_order, spike_times

BLOCK = 64
"""Outputs that are walked at once."""


def fast_spike_times(
    neuron: Quotient, e: Float[Tensor, "batch inputs"], weight: Float[Tensor, "outputs inputs"]
) -> Float[Tensor, "batch spikes outputs"]:
    """Return when outputs fire, as ``spike_times`` does."""
    suited = all(x.dtype == torch.float32 and x.device.type == "cpu" for x in (e, weight))
    if not suited or _programs() is None:
        return spike_times(neuron, e, weight)
    return cast("Tensor", _Times.apply(e, weight, neuron))  # type: ignore[no-untyped-call]


@cache
def _programs() -> tuple[Program, Program] | None:
    forward, backward = (program(("quotient.c",), f"quotient_{way}", ()) for way in ("forward", "backward"))
    return None if forward is None or backward is None else (forward, backward)


class _Times(torch.autograd.Function):
    """The two programs."""

    @staticmethod
    def forward(ctx: Any, e: Tensor, weight: Tensor, neuron: Quotient) -> Tensor:
        times, order, counts = in_order(e)
        w = pad(weight.t(), (0, -len(weight) % BLOCK)).contiguous()
        shape = (c_int64 * 4)(len(e), e.shape[1], w.shape[1], len(neuron.a))
        out = torch.full((len(e), len(neuron.a), w.shape[1]), torch.inf)
        slope, causal = torch.ones_like(out), torch.zeros(out.shape, dtype=torch.int32)
        a, b = (torch.tensor(values) for values in (neuron.a, neuron.b))
        run, threads = cast("tuple[Program, Program]", _programs())[0], torch.get_num_threads()
        given = map(place, (times, order, counts, w, a, b))
        run(shape, *given, c_float(neuron.horizon), *map(place, (out, slope, causal)), threads)
        ctx.save_for_backward(times, order, counts, w, out, slope, causal)
        ctx.outputs = len(weight)
        return out[..., : len(weight)]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None]:
        times, order, counts, w, out, slope, causal = ctx.saved_tensors
        batch, inputs = times.shape
        shape = (c_int64 * 4)(batch, inputs, w.shape[1], out.shape[1])
        grad = pad(
            torch.where(out[..., : ctx.outputs].isfinite(), grad, 0.0), (0, w.shape[1] - ctx.outputs)
        ).contiguous()
        weights_back = torch.zeros_like(w)
        times_back = torch.zeros(w.shape[1] // BLOCK, batch, inputs) if ctx.needs_input_grad[0] else None
        run, threads = cast("tuple[Program, Program]", _programs())[1], torch.get_num_threads()
        given = map(place, (times, order, counts, w, out, slope, causal, grad))
        run(shape, *given, place(weights_back), None if times_back is None else place(times_back), threads)
        return None if times_back is None else times_back.sum(0), weights_back[:, : ctx.outputs].t().contiguous(), None
