"""The spiking network that a conversion gives."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from typing import Any, Literal, get_args

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.codes import Weighted
from canonic.errors import DataError
from canonic.native import can_compile
from canonic.network.depth import depth
from canonic.network.description import shown
from canonic.network.early import Answer, answer
from canonic.network.fusion import fuse
from canonic.network.graph import Graph, Precision
from canonic.network.inputs import called, channels_last, known_device, prototype, taken_shape
from canonic.network.layerwise import Observer
from canonic.network.outputs import Output, formed
from canonic.network.plan import Plan, given_fields, total_steps
from canonic.network.precision import lowered, require_precision
from canonic.network.readout import by_step, final
from canonic.network.reference import reference
from canonic.network.storage import load_plan, save_plan
from canonic.network.table import HEADINGS, rows, summary, table, why_chosen
from canonic.network.trace import LayerTrace, trace
from canonic.network.verdict import Verification
from canonic.network.verification import verify
from canonic.tables import html_table

Scheduler = Literal["layerwise", "clocked"]

Batch = Shaped[Tensor, "batch ..."]
Input = Batch | Mapping[str, Batch]


@dataclass(frozen=True, repr=False, eq=False)
class SpikingNetwork:
    """A network of spiking populations. Calls are stateless: each starts from rest.

    Attributes:
        plan: the graph, its code and the way biases are injected.
        record: how it was made: settings, samples, dead channels, versions. Plain data.
        precision: what the schedulers compute in; the plan is always in floats.
        compiled: whether torch compiles populations for a GPU.
    """

    plan: Plan
    record: Mapping[str, Any]
    precision: Precision = "fp32"
    compiled: bool = False
    __getstate__ = given_fields

    @cached_property
    def clocked_plan(self) -> Plan:
        """What the clocked scheduler runs: the plan at this precision."""
        return lowered(self.plan, self.precision)

    @cached_property
    def layerwise_plan(self) -> Plan:
        """What the layerwise scheduler runs: the same, with populations that compute their terms."""
        return replace(fuse(self.clocked_plan), compiled=self.compiled)

    @property
    def graph(self) -> Graph:
        """The nodes of the network."""
        return self.plan.graph

    @property
    def code(self) -> Weighted:
        """The code of the network's streams."""
        return self.plan.code

    @property
    def total_steps(self) -> int:
        """Steps until the last digit of the answer: T and the silent steps on the longest path."""
        return total_steps(self.plan)

    @property
    def depth(self) -> int:
        """Spiking populations on the longest path."""
        return depth(self.graph)

    @property
    def neurons(self) -> int:
        """Spiking neurons for one sample."""
        return sum(self.graph.neurons.values())

    def __call__(self, *inputs: Input, scheduler: Scheduler = "layerwise", **named: Batch) -> Any:
        """Return what the source model returns, as decoded after all steps.

        Args:
            inputs: one batch ``[batch, *shape]`` for each input of the model, or one dict that holds them by name.
            scheduler: "layerwise" is fast; "clocked" is what a chip does, in memory that does not grow with T.
            named: inputs by name; labels among them are left out.

        Raises:
            DataError: if an input does not fit.
        """
        with torch.no_grad():
            given = called(self.graph, inputs, named)
            return formed(self.graph, final(self.clocked_plan, self._fused(scheduler), given))

    def readout(
        self,
        *inputs: Input,
        scheduler: Scheduler = "layerwise",
        observe: Observer | None = None,
        **named: Batch,
    ) -> Any:
        """Return the decoded output after every step, ``[total_steps, batch, *shape]``, in the form of the model's.

        It is 0 until the first digit arrives, ``total_steps - T`` steps after the input, and sharpens from then on.

        Args:
            inputs: as for a call.
            scheduler: as for a call.
            observe: called by the layerwise scheduler for each node, with the streams that it reads and its own.
            named: as for a call.
        """
        with torch.no_grad():
            given = called(self.graph, inputs, named)
            return formed(self.graph, by_step(self.clocked_plan, self._fused(scheduler), given, observe))

    def answer(self, *inputs: Input, stop_when: float, output: Output | None = None, **named: Batch) -> Answer:
        """Return the answers of a classifier, each as soon as its two best classes are ``stop_when`` apart.

        The clocked scheduler runs until the last sample of the batch has stopped.

        Args:
            inputs: as for a call.
            stop_when: margin of the decoded output, in its own unit; 0 stops at the first digit.
            output: the one that classifies, as for ``evaluate``.
            named: as for a call.

        Raises:
            DataError: if the output is not that of a classifier, or the margin is negative.
        """
        with torch.no_grad():
            return answer(self.clocked_plan, called(self.graph, inputs, named), stop_when, output)

    def source(self, *inputs: Input, **named: Batch) -> Any:
        """Return what the source network returns, computed on this graph; equal to it up to float rounding."""
        with torch.no_grad():
            return formed(self.graph, reference(self.graph, called(self.graph, inputs, named)))

    def trace(self, *inputs: Input, layers: Iterable[str] | None = None, **named: Batch) -> dict[str, LayerTrace]:
        """Return spikes, currents, membranes and the source network's values of some populations, all if None.

        Raises:
            DataError: if there is no such population.
        """
        with torch.no_grad():
            return trace(self.layerwise_plan, self.graph, called(self.graph, inputs, named), layers)

    def verify(self, data: Iterable[Any], *, progress: bool = True) -> Verification:
        """Compare every population and output with the source network.

        Args:
            data: batches, as for ``convert``; what follows the inputs in a batch, such as labels, is left out.
            progress: show a progress bar, on a terminal.

        Raises:
            DataError: if there is no data, or it does not fit.
        """
        return verify(self.plan, self.precision, data, rules=self.record.get("rules", {}), progress=progress)

    def to_precision(self, precision: Precision) -> "SpikingNetwork":
        """Return the network at another precision. The source network stays that of the floats.

        Args:
            precision: "fp32" is the reference. "bf16" rounds the weights between populations to bfloat16; currents are
                float32, but on a GPU. "bf16x2" rounds these weights to the sum of two bfloat16 numbers: near fp32, and
                as slow. "int8" is a network of whole numbers: int8 weights, and integer
                currents, membranes and thresholds, with the same spikes on every machine.

        Raises:
            DataError: if there is no such precision.
            ConversionError: if the network cannot be had at it; the message names the layer.
        """
        require_precision(precision)
        changed = replace(self, precision=precision)
        _ = changed.clocked_plan  # what cannot be had is refused here
        return changed

    def compile(self) -> "SpikingNetwork":
        """Return the network ready to run: what its first call would have to build is built.

        On a processor that is a C program for each kind of layer, half a second each on a core, kept on disk. On a
        GPU torch compiles the populations, some seconds each. Without a compiler a line in the log says so, and the
        spikes are the same.
        """
        like = prototype(self.graph)
        ready = replace(self, compiled=like.is_cuda and can_compile(like.device.type))
        kinds = [self.graph[name].arguments.get("dtype", like.dtype) for name in self.graph.inputs]
        shapes = [(2, *taken_shape(self.graph[name])) for name in self.graph.inputs]
        given = [torch.zeros(shape, dtype=kind) for shape, kind in zip(shapes, kinds, strict=True)]
        final(ready.clocked_plan, ready.layerwise_plan, called(self.graph, given, {}))
        return ready

    def to(self, device: torch.device | str) -> "SpikingNetwork":
        """Return the network on another device; raise a DataError if torch cannot use it here."""
        place = known_device(device)
        moved = self.graph.map_tensors(lambda tensor: channels_last(tensor.to(place)))
        return replace(self, plan=replace(self.plan, graph=moved))

    def describe(self) -> dict[str, Any]:
        """Return the size, the code and the record as plain data, without the hashes of single samples."""
        return {
            "populations": len(self.graph.populations),
            "neurons": self.neurons,
            "depth": self.depth,
            "total_steps": self.total_steps,
            "code": self.code.to_json(),
            "precision": self.precision,
            "calibration": {},
            **shown(self.record),
        }

    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to one safetensors file, whole or not at all.

        Raises:
            StorageError: if the file cannot be written.
        """
        save_plan(path, self.plan, {**self.record, "precision": self.precision})

    def __str__(self) -> str:
        chosen = [why_chosen(goal, self.precision)] if (goal := self.record.get("goal")) else []
        return "\n".join((table(self.plan), *chosen, *self.record.get("notes", ())))

    def __repr__(self) -> str:
        return f"SpikingNetwork({summary(self.plan)}, {self.precision})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html_table(HEADINGS, rows(self.plan), f"{summary(self.plan)}, {self.precision}")

    def _fused(self, scheduler: str) -> Plan | None:
        _require_scheduler(scheduler)
        return self.layerwise_plan if scheduler == "layerwise" else None


def _require_scheduler(scheduler: str) -> None:
    if scheduler not in get_args(Scheduler):
        raise DataError(f"scheduler must be one of {', '.join(get_args(Scheduler))}, got {scheduler!r}")


def load(path: str | PathLike[str], device: torch.device | str = "cpu") -> SpikingNetwork:
    """Read a network that ``SpikingNetwork.save`` wrote; raise a StorageError if there is none, or a damaged one."""
    plan, record = load_plan(path)
    precision = record.pop("precision", "fp32")
    named = {key.lower().replace(" ", "_"): value for key, value in record.items()}  # older files have "repair dB"
    return SpikingNetwork(plan, named, precision).to(device)
