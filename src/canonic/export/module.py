"""A network where PyTorch expects a module: buffers, ``state_dict``, ``eval``, and what ``torch.export`` takes.

``Unrolled`` runs all steps: those of the clocked scheduler, where neurons have steps. ``Stepping`` is one of them, with
its state passed and returned.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from canonic.export.elsewhere import stepless
from canonic.export.populations import require_steps
from canonic.export.ticking import advance, rest_of
from canonic.network import SpikingNetwork
from canonic.network.clocked import clocked
from canonic.network.graph import Graph, Node
from canonic.network.layerwise import at_once
from canonic.network.outputs import formed
from canonic.network.plan import Plan

SPEED = ("wide", "packed")
"""Tensors that are there for the speed or the rounding of this machine alone."""


class Held(nn.Module):
    """The plan of a network, with its tensors as buffers.

    Args:
        snn: the network, at any precision.
    """

    def __init__(self, snn: SpikingNetwork) -> None:
        super().__init__()
        self.base = snn.clocked_plan
        self.names = dict(_named(self.base.graph))
        for (node, key), name in self.names.items():
            self.register_buffer(name, self.base.graph[node].tensors[key].clone())

    @property
    def plan(self) -> Plan:
        """The plan with the buffers as they are now."""
        return replace(self.base, graph=replace(self.base.graph, nodes=tuple(map(self._filled, self.base.graph.nodes))))

    def _filled(self, node: Node) -> Node:
        own = {key: getattr(self, self.names[node.name, key]) for key in node.tensors if key not in SPEED}
        return replace(node, tensors=own)


class Unrolled(Held):
    """A network as a module that runs all its steps.

    Args:
        snn: the network, at any precision.

    >>> import canonic
    >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> snn = canonic.convert(net, [torch.rand(8, 3)], code="rate:4", progress=False)
    >>> module, x = Unrolled(snn), torch.rand(5, 3)
    >>> torch.allclose(module(x), snn(x), atol=1e-6), sorted(module.state_dict())[:2]
    (True, ['_0_bias', '_0_weight'])
    """

    def __init__(self, snn: SpikingNetwork) -> None:
        super().__init__(snn)
        self.stepless = bool(stepless(snn.plan)) and snn.plan.readout != "first"

    def forward(self, *inputs: Tensor) -> Any:
        """Return what the source model returns, as decoded after all steps."""
        plan = self.plan
        with torch.no_grad():
            return formed(plan.graph, (_of_streams if self.stepless else _of_steps)(plan, inputs))


class Stepping(Held):
    """A network as a module that runs one step, with its state passed and returned.

    Args:
        snn: the network.

    Raises:
        ExportError: if its steps cannot be a graph; the message names all nodes.

    >>> import canonic
    >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> snn = canonic.convert(net, [torch.rand(8, 3)], code="rate:4", progress=False)
    >>> module, x = Stepping(snn), torch.rand(5, 3)
    >>> state = module.rest(5)
    >>> for t in range(1, snn.total_steps + 1):
    ...     answer, *state = module(torch.tensor(t), x, *state)
    >>> torch.allclose(answer, snn(x), atol=1e-6)
    True
    """

    def __init__(self, snn: SpikingNetwork) -> None:
        require_steps(snn.clocked_plan)
        super().__init__(snn)
        self.parts = tuple(rest_of(self.base, 1))

    def rest(self, batch: int) -> list[Tensor]:
        """Return the state before the first step."""
        return list(rest_of(self.plan, batch).values())

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Return what each output stands for after a step, and the state.

        Args:
            given: which step it is, 1, 2, ..., a whole number ``[]``; the inputs; and the state after the step before.
        """
        plan, t = self.plan, given[0]
        inputs, state = given[1 : 1 + len(plan.graph.inputs)], given[1 + len(plan.graph.inputs) :]
        with torch.no_grad():
            answers, after = advance(plan, t, inputs, dict(zip(self.parts, state, strict=True)))
        return (*(answers[name] for name in plan.graph.outputs), *(after[part] for part in self.parts))


def _of_steps(plan: Plan, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the outputs of the clocked scheduler."""
    readout: Mapping[str, Tensor] = {}
    for _, state in clocked(plan, inputs):
        readout = state.readout
    return [readout[name] for name in plan.graph.outputs]


def _of_streams(plan: Plan, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the outputs of the layerwise scheduler, for neurons that read all steps at once."""
    streams = zip(plan.graph.outputs, at_once(plan, inputs), strict=True)
    return [plan.value(name, stream) if plan.readout == "mean" else stream[-1] for name, stream in streams]


def _named(graph: Graph) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield for each tensor of a graph the name of its buffer: words of it, and a number where two are the same."""
    taken: set[str] = set()
    for node in graph.nodes:
        for key in (key for key in node.tensors if key not in SPEED):
            words = re.sub(r"\W", "_", f"{node.name}_{key}")
            name, number = f"_{words}" if words[0].isdigit() else words, 2
            while name in taken or hasattr(nn.Module, name):
                name, number = f"{words}_{number}", number + 1
            taken.add(name)
            yield (node.name, key), name
