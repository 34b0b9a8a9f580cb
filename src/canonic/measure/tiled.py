"""Energy where membranes stay at the adders: a third model, ``tiled45``, and int8 arithmetic on the same tile.

A tile has ROWS x COLUMNS lanes: rows are places of a layer's output, columns its channels. A layer is done block by
block. All digits of the inputs of a block pass while its sums stay in registers at the lanes, one for each digit; from
there its neurons take all their steps. For one layer and sample, with W weights, each used at N places, and inputs
that meet G channels each::

    weights read    W ceil(N / ROWS)                   once for each block of places, for all T digits
    events read     ACs / G ceil(G / COLUMNS)          a row hands an event to all its columns at once
    numbers read    MACs / G ceil(G / COLUMNS)
    registers       ACs + MACs + membrane updates      each read and written, which costs what an addition costs
    events written  spikes                             numbers written: outputs

Memories are those of ``traffic45``. int8 arithmetic takes the same blocks, with one sum a lane.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import NamedTuple

from canonic.errors import DataError
from canonic.measure.comparison import Form, forms
from canonic.measure.energy import Arithmetic, Work, access, compute
from canonic.measure.facts import fingerprint
from canonic.measure.result import Evaluation
from canonic.network import SpikingNetwork
from canonic.network.graph import Node

ROWS, COLUMNS = 16, 16
FORMS = ("spiking", "spiking_sized", "source_int8", "source_int8_sparse")
"""Forms of a network that a tile takes."""


class Reuse(NamedTuple):
    """How often a layer has use for what it reads.

    Attributes:
        places: outputs that a weight is used for, N.
        channels: outputs that a number meets at a place, G.
    """

    places: int = 1
    channels: int = 1


class Moved(NamedTuple):
    """What a layer reads for one sample.

    Attributes:
        weights: words of weights.
        events: of its inputs.
        numbers: of its inputs that are no events.
    """

    weights: int
    events: float
    numbers: float


@dataclass(frozen=True)
class Tiled:
    """The energy of one sample in microjoules, of one form of a network.

    Attributes:
        form: "spiking", "spiking_sized", "source_int8" or "source_int8_sparse", as in the other models.
        accuracy: 0 to 1; None if it was not measured.
        arithmetic: of additions and products.
        registers: at the lanes.
        weights: their reading.
        streams: reading and writing of events and numbers.
    """

    form: str
    accuracy: float | None
    arithmetic: float
    registers: float
    weights: float
    streams: float

    @property
    def total(self) -> float:
        """Their sum."""
        return self.arithmetic + self.registers + self.weights + self.streams


def tiled(snn: SpikingNetwork, evaluation: Evaluation) -> tuple[Tiled, ...]:
    """Return the energy of a converted network in this dataflow, beside int8 arithmetic on the same tile.

    Args:
        snn: a network.
        evaluation: of it, beside its source.

    Raises:
        DataError: if the evaluation is of another network, or this one was not converted.
    """
    if snn.plan.stepwise or not evaluation.source_operations:
        raise DataError("the dataflow is of converted networks beside their source: evaluate one with its source")
    if evaluation.network.fingerprint != fingerprint(snn):
        raise DataError("the evaluation is of another network: evaluate this one")
    reuse = {node.name: reuse_of(node) for graph in (snn.graph, snn.clocked_plan.graph) for node in graph.nodes}
    return tuple(_sum(form, reuse) for form in forms(evaluation) if form.id in FORMS)


def reuse_of(node: Node) -> Reuse:
    """Return how often a node has use for its weights and inputs."""
    weight = node.tensors.get("weight")
    if weight is None:
        return Reuse()
    groups = int(node.arguments.get("groups", 1))
    if "transposes" in node.traits:
        outputs = weight.shape[1] * groups
    elif "slides" in node.traits or "maps rows" in node.traits:
        outputs = weight.shape[0]
    else:
        return Reuse(max(1, node.size // weight.numel()))
    return Reuse(node.size // outputs, outputs // groups)


def moved(work: Work, reuse: Reuse) -> Moved:
    """Return what a layer reads.

    >>> moved(Work(additions=320.0, weights=10), Reuse(places=17, channels=32))
    Moved(weights=20, events=20.0, numbers=0.0)
    """
    share = ceil(reuse.channels / COLUMNS) / reuse.channels
    blocks = ceil(reuse.places / ROWS)
    return Moved(work.weights * blocks, work.additions * share, work.multiplications * share)


def _sum(form: Form, reuse: Mapping[str, Reuse]) -> Tiled:
    parts = [_energy(work, kind, reuse.get(work.name, Reuse())) for work, kind in form.works]
    return Tiled(form.id, form.accuracy, *(sum(column) for column in zip(*parts, strict=True)))


def _energy(work: Work, kind: Arithmetic, reuse: Reuse) -> tuple[float, float, float, float]:
    """Return the energy of a layer in microjoules: arithmetic, registers, weights, streams."""
    read = moved(work, reuse)
    registers = (work.additions + work.multiplications + work.updates) * kind.add
    weights = read.weights * access(work.weights * kind.weight / 8, kind.weight)
    streams = read.events * _event(work.inputs, work) + work.spikes * _event(work.outputs, work)
    streams += read.numbers * access(work.inputs * kind.activation / 8, kind.activation)
    if not work.event_driven:
        streams += work.outputs * access(work.outputs * kind.activation / 8, kind.activation)
    return compute(work, kind), registers * 1e-6, weights * 1e-6, streams * 1e-6


def _event(neurons: int, work: Work) -> float:
    """Return the picojoules of reading or writing an event of so many neurons."""
    word = ceil(log2(max(2, neurons))) + ceil(log2(len(work.magnitudes)))
    return access(neurons * word / 8, word)
