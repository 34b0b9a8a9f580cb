"""Sequences of frames through a network in the code sigma-delta: streams of changes, and an answer to each frame."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from canonic.codes import SigmaDelta, Weighted
from canonic.errors import DataError
from canonic.network.clocked import State, tick
from canonic.network.graph import Node, Population
from canonic.network.inputs import called
from canonic.network.layerwise import of_streams
from canonic.network.outputs import formed
from canonic.network.plan import Plan
from canonic.network.spiking import Scheduler, SpikingNetwork
from canonic.neurons import Scan


class Followed(NamedTuple):
    """What a network made of a sequence of frames.

    Attributes:
        answers: to each frame, ``[time, batch, *shape]``, in the form of the model's.
        events: of each population in each frame, over all samples.
    """

    answers: Any
    events: Mapping[str, Int[Tensor, " time"]]


def follow(
    snn: SpikingNetwork, *frames: Shaped[Tensor, "time batch ..."], scheduler: Scheduler = "layerwise"
) -> Followed:
    """Return what a network in the code sigma-delta answers to each frame of a sequence; it starts from rest.

    Args:
        snn: the network, converted with ``code="sigma-delta"`` on single frames.
        frames: a sequence for each input of the model.
        scheduler: "layerwise" computes all frames of a layer at once; "clocked" frame after frame, in memory that does
            not grow with their number.

    Raises:
        DataError: if the network is in another code, or the frames do not fit its inputs.

    >>> from canonic import convert
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> snn = convert(model, [torch.rand(64, 4)], code="sigma-delta", progress=False)
    >>> still = torch.rand(1, 5, 4).expand(3, 5, 4)
    >>> answers, events = follow(snn, still)
    >>> answers.shape, events["1"][1:].tolist()
    (torch.Size([3, 5, 2]), [0, 0])
    """
    given = _checked(snn, frames)
    plan = _over(snn.clocked_plan, len(given[0]))
    changes = [frame.diff(dim=0, prepend=torch.zeros_like(frame[:1])) for frame in given]
    with torch.no_grad():
        outputs, spikes = (_ticks if scheduler == "clocked" else _layers)(plan, changes)
        answers = [plan.codes[name].prefixes(outputs[name]) for name in plan.graph.outputs]
        return Followed(formed(snn.graph, answers), {name: s.flatten(1).count_nonzero(1) for name, s in spikes.items()})


def _checked(snn: SpikingNetwork, frames: Sequence[Tensor]) -> list[Tensor]:
    """Return frames as the inputs of the network want them."""
    shapes = {tuple(x.shape[:2]) for x in frames}
    if len(shapes) != 1 or any(x.dim() < 2 or not x.is_floating_point() for x in frames):
        given = ", ".join(f"{x.dtype} {list(x.shape)}" for x in frames)
        raise DataError(f"frames must be real numbers, [time, batch, *shape], each input as many; got {given}")
    wanted = called(snn.graph, tuple(x.flatten(0, 1) for x in frames), {})
    return [x.view(*frame.shape[:2], *x.shape[1:]) for x, frame in zip(wanted, frames, strict=True)]


def _over(plan: Plan, frames: int) -> Plan:
    """Return the plan for so many frames."""

    def longer(code: Weighted | None, name: str) -> SigmaDelta:
        if not isinstance(code, SigmaDelta):
            raise DataError(
                f"a sequence of frames wants the code sigma-delta in all layers, and {name} is in "
                f"{code.name if code else 'none'}: convert(model, frames, code='sigma-delta')"
            )
        return replace(code, steps=frames)

    def changed(node: Population) -> Population:
        return replace(node, neurons=replace(node.neurons, code=longer(node.neurons.code, node.name)))

    graph = plan.graph.map_populations(changed)  # first: a layer in another code is told by its name
    return replace(plan, graph=graph, code=longer(plan.code, "the network"), follows=True)


def _layers(plan: Plan, changes: Sequence[Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the streams of the outputs and the spikes of all populations, layer by layer."""
    spikes: dict[str, Tensor] = {}

    def observe(node: Node, _: Sequence[Tensor], result: Scan | Tensor) -> None:
        if not isinstance(result, Tensor):
            spikes[node.name] = result.spikes

    return dict(zip(plan.graph.outputs, of_streams(plan, changes, observe), strict=True)), spikes


def _ticks(plan: Plan, changes: Sequence[Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the same, tick by tick."""
    state, pulses = State(), list[Mapping[str, Tensor | None]]()
    for frame in zip(*changes, strict=True):
        sent, state = tick(plan, state, frame)
        pulses.append(sent)

    def stream(name: str) -> Tensor:
        known = [sent[name] for sent in pulses]
        silence = torch.zeros_like(next(pulse for pulse in known if pulse is not None))
        return torch.stack([silence if pulse is None else pulse for pulse in known])

    return {n: stream(n) for n in plan.graph.outputs}, {n.name: stream(n.name) for n in plan.graph.populations}
