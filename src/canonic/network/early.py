"""Answers before the last step: a sample stops as soon as its two best classes are far enough apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from canonic.checks import real
from canonic.errors import DataError
from canonic.network.clocked import clocked
from canonic.network.outputs import Output, output_names, required_output
from canonic.network.plan import Plan, total_steps

MARGIN = "0 stops at the first digit"


@dataclass(frozen=True)
class Answer:
    """What a classifier answered, and when.

    Attributes:
        readout: the decoded output at the step at which each sample stopped, ``[batch, classes]``.
        steps: that step, 1 .. total steps, ``[batch]``.
        total_steps: steps of an answer that is not stopped.
    """

    readout: Float[Tensor, "batch classes"]
    steps: Int[Tensor, " batch"]
    total_steps: int

    @property
    def saved(self) -> float:
        """The share of steps that were not needed, on average over the samples."""
        return 1 - float(self.steps.double().mean()) / self.total_steps


def answer(plan: Plan, inputs: Sequence[Tensor], stop_when: float, output: Output | None = None) -> Answer:
    """Return each sample's readout at the first step at which its two best classes are ``stop_when`` apart.

    Raises:
        DataError: if no output ``[batch, classes]`` is meant, or the margin is none.
    """
    if not real("stop_when", stop_when, MARGIN, DataError) >= 0:
        raise DataError(f"stop_when must be a margin of at least 0, got {stop_when}: {MARGIN}")
    name, batch, last = _classifying(plan, output), len(inputs[0]), total_steps(plan)
    stopped = torch.zeros(batch, dtype=torch.bool, device=inputs[0].device)
    steps = torch.full((batch,), last, device=inputs[0].device)
    frozen = None
    for _, state in clocked(plan, inputs):
        if name not in state.readout:
            continue
        readout = state.readout[name]
        frozen = readout if frozen is None else torch.where(stopped[:, None], frozen, readout)
        new = _decided(readout, stop_when) & ~stopped
        steps, stopped = torch.where(new, state.tick, steps), stopped | new
        if bool(stopped.all()):
            break
    return Answer(inputs[0].new_zeros(batch, *plan.graph[name].shape) if frozen is None else frozen, steps, last)


def _decided(readout: Float[Tensor, "batch classes"], margin: float) -> Bool[Tensor, " batch"]:
    best = readout.topk(2, -1).values
    return best[:, 0] - best[:, 1] >= margin


def _classifying(plan: Plan, output: Output | None) -> str:
    place = required_output(plan.graph, output, "an early answer needs")
    name = plan.graph.outputs[place]
    if len(shape := plan.graph[name].shape) != 1 or shape[0] < 2:
        raise DataError(
            f"an early answer needs one output [batch, classes] of two classes or more, got {['batch', *shape]} for "
            f"{output_names(plan.graph)[place]}"
        )
    return name
