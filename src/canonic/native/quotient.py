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

from canonic.native.build import Program, Source, program
from canonic.native.population import place
from canonic.neurons.current_based import CurrentBased, current_based_times
from canonic.neurons.quotient import Quotient, in_order, spike_times

BLOCK = 64
"""Outputs that are walked at once."""


def fast_spike_times(
    neuron: Quotient | CurrentBased, e: Float[Tensor, "batch inputs"], weight: Float[Tensor, "outputs inputs"]
) -> Float[Tensor, "batch spikes outputs"]:
    """Return when outputs fire, as ``spike_times`` and ``current_based_times`` do."""
    suited = all(x.dtype == torch.float32 and x.device.type == "cpu" for x in (e, weight))
    if suited and _programs(isinstance(neuron, CurrentBased)) is not None:
        return cast("Tensor", _Times.apply(e, weight, neuron))  # type: ignore[no-untyped-call]
    return reference(neuron, e, weight)


def reference(
    neuron: Quotient | CurrentBased, e: Float[Tensor, "batch inputs"], weight: Float[Tensor, "outputs inputs"]
) -> Float[Tensor, "batch spikes outputs"]:
    """Return the same by torch's operators."""
    return (
        current_based_times(neuron, e, weight) if isinstance(neuron, CurrentBased) else spike_times(neuron, e, weight)
    )


@cache
def _programs(leaky: bool) -> tuple[Program, Program] | None:
    """Return the forward pass of a neuron, and the backward pass of both."""
    files = ("quotient.c", "current_based.c") if leaky else ("quotient.c",)
    forward = program(Source(files, "current_based_forward" if leaky else "quotient_forward"))
    backward = program(Source(("quotient.c",), "quotient_backward"))
    return None if forward is None or backward is None else (forward, backward)


class _Times(torch.autograd.Function):
    """The programs."""

    @staticmethod
    def forward(ctx: Any, e: Tensor, weight: Tensor, neuron: Quotient | CurrentBased) -> Tensor:
        times, order, counts = in_order(e)
        w = pad(weight.t(), (0, -len(weight) % BLOCK)).contiguous()
        shape = (c_int64 * 4)(len(e), e.shape[1], w.shape[1], neuron.spikes)
        out = torch.full((len(e), neuron.spikes, w.shape[1]), torch.inf)
        slope, causal = torch.ones_like(out), torch.zeros(out.shape, dtype=torch.int32)
        given, results = map(place, (times, order, counts, w)), map(place, (out, slope, causal))
        run, _ = cast("tuple[Program, Program]", _programs(isinstance(neuron, CurrentBased)))
        horizon, threads = c_float(neuron.horizon), torch.get_num_threads()
        if isinstance(neuron, CurrentBased):
            run(shape, *given, c_float(neuron.q), horizon, *results, threads)
        else:
            a, b = (torch.tensor(values) for values in (neuron.a, neuron.b))
            run(shape, *given, place(a), place(b), horizon, *results, threads)
        ctx.save_for_backward(times, order, counts, w, out, slope, causal)
        ctx.outputs, ctx.neuron = len(weight), neuron
        return out[..., : len(weight)]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None]:
        times, order, counts, w, out, slope, causal = ctx.saved_tensors
        batch, inputs = times.shape
        shape, leaky = (c_int64 * 4)(batch, inputs, w.shape[1], out.shape[1]), isinstance(ctx.neuron, CurrentBased)
        grad = torch.where(out[..., : ctx.outputs].isfinite(), grad, 0.0)
        grad = pad(grad, (0, w.shape[1] - ctx.outputs)).contiguous()
        grad = through_resets(ctx.neuron.q, grad, out, slope) if leaky else grad
        weights_back = torch.zeros_like(w)
        times_back = torch.zeros(w.shape[1] // BLOCK, batch, inputs) if ctx.needs_input_grad[0] else None
        given = map(place, (times, order, counts, w, out, slope, causal, grad))
        (_, run), threads = cast("tuple[Program, Program]", _programs(leaky)), torch.get_num_threads()
        run(shape, *given, int(leaky), place(weights_back), place(times_back), threads)
        return None if times_back is None else times_back.sum(0), weights_back[:, : ctx.outputs].t().contiguous(), None


def through_resets(
    q: float, grad: Float[Tensor, "batch spikes outputs"], e: Tensor, slope: Tensor
) -> Float[Tensor, "batch spikes outputs"]:
    """Return the gradients of spikes with what they get from later ones, whose P they lower by ``q e``."""
    passed, whole = torch.zeros_like(grad[:, 0]), list[Tensor]()
    for k in reversed(range(grad.shape[1])):
        whole.append(grad[:, k] + q * passed)
        passed = passed + torch.where(e[:, k].isfinite(), whole[-1] * e[:, k] / slope[:, k], 0.0)
    return torch.stack(whole[::-1], 1)
