"""Finalists: whole networks, fitted to the calibration samples and judged on those that were held out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.conversion.calibrate import Calibration
from canonic.conversion.convert import Fitted, fitted
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import Settings, resolve
from canonic.goals.candidates import Candidate, screened
from canonic.goals.demands import Demand
from canonic.goals.goal import Goal
from canonic.goals.heldout import Held, spaced
from canonic.measure.comparison import energy_rows
from canonic.measure.evaluation import measure_batch, meter_of
from canonic.network import SpikingNetwork
from canonic.network.fusion import fuse
from canonic.network.graph import Graph
from canonic.network.plan import Plan
from canonic.network.readout import final

FITTED = 64
"""Samples that whole networks are settled on."""

COUNTED = 32
"""Samples on which events and energy of a network are counted."""

COUNTS = ("events", "energy")
"""What is counted of each network, where the goal makes it small."""


@dataclass(frozen=True)
class Finalist:
    """A whole network that was judged.

    Attributes:
        candidate: that it was made of.
        settings: of the conversion, with the members of single populations.
        code: of most populations.
        values: what was measured, for each demand.
        room: decibels by which its errors could grow until a demand is not met; less than 0 if one is not.
        cost: what it takes of what the goal makes small, as it was measured.
    """

    candidate: Candidate
    settings: Settings
    code: CSS
    values: Sequence[float]
    room: float
    cost: float

    @property
    def reached(self) -> bool:
        """Whether all demands are met."""
        return self.room >= 0

    @property
    def own(self) -> Mapping[str, CSS]:
        """The members of the populations that have another than most."""
        return {name: code for name, code in self.candidate.codes.items() if code != self.code}


@dataclass(frozen=True)
class Made:
    """A candidate as a whole network.

    Attributes:
        candidate: that it was made of.
        settings: of the conversion, with the members of single populations.
        code: of most populations.
        fitted: its plan.
        cost: as of a ``Finalist``.
    """

    candidate: Candidate
    settings: Settings
    code: CSS
    fitted: Fitted
    cost: float


@dataclass(frozen=True)
class Setup:
    """What finalists are made of and judged by.

    Attributes:
        graph: of the source network, without codes.
        seen: what calibration has seen.
        settings: of the conversion.
        goal: of the user.
        held: samples.
        demands: on them.
        samples: that networks are settled on, at most.
    """

    graph: Graph
    seen: Calibration
    settings: Settings
    goal: Goal
    held: Held
    demands: Sequence[Demand]
    samples: int = FITTED

    def thinned(self, most: int) -> "Setup":
        """Return what settles and judges on fewer samples, evenly spaced."""
        held, stride = self.held, -(-len(self.held) // most)
        few = replace(held, inputs=[x[::stride] for x in held.inputs], outputs=[x[::stride] for x in held.outputs])
        demands = [demand.thinned(len(held), stride) for demand in self.demands]
        return replace(self, held=few, demands=demands, samples=most)

    def made(self, candidate: Candidate) -> Made:
        """Return a candidate as a whole network."""
        code, settings = written(candidate, self.settings, self.graph)
        rules = resolve(settings, [node.name for node in self.graph.populations])
        few = replace(self.seen, kept=spaced(self.seen.kept, self.samples))
        done = fitted(set_codes(self.graph, code, rules), few, code, settings)
        return Made(candidate, settings, code, done, self._cost(candidate, done.plan))

    def _cost(self, candidate: Candidate, plan: Plan) -> float:
        """Return what a network takes of what the goal makes small: of events and energy screening tells too little."""
        if self.goal.minimise not in COUNTS:
            return screened(self.goal, candidate)
        costs = self.costs(plan)
        return costs["units" if self.goal.unary and self.goal.minimise == "events" else self.goal.minimise]

    def judged(self, made: Made) -> Finalist:
        """Return how a network does."""
        outputs = answers(made.fitted.plan, self.held)
        values = [demand.value(outputs) for demand in self.demands]
        room = min(demand.room(outputs) for demand in self.demands)
        return Finalist(made.candidate, made.settings, made.code, values, room, made.cost)

    def costs(self, plan: Plan) -> Mapping[str, float]:
        """Return events, their sizes added up, and microjoules of a sample, on some of those that were held out."""
        few = spaced(self.held.inputs, COUNTED)
        found = measure_batch(meter_of(SpikingNetwork(plan, {})), few)
        rows = {row["id"]: row["total"] for row in energy_rows(found, self.goal.energy)}
        return {
            "events": found.spikes_per_neuron * found.neurons,
            "units": found.units_per_neuron * found.neurons,
            "energy": rows["spiking"] if self.goal.unary else rows.get("spiking_sized", rows["spiking"]),
        }


def answers(plan: Plan, held: Held) -> Sequence[Tensor]:
    """Return the outputs of a plan on the held-out samples."""
    fused = fuse(plan)
    with torch.no_grad():
        parts = [final(plan, fused, part) for part in held.parts()]
    return [torch.cat(pieces) for pieces in zip(*parts, strict=True)]


def written(candidate: Candidate, settings: Settings, graph: Graph) -> tuple[CSS, Settings]:
    """Return the code that most populations of a candidate have, and settings with what is different for the others."""
    code = Counter(candidate.codes.values()).most_common(1)[0][0]
    rules = resolve(settings, [node.name for node in graph.populations])
    own = {
        name: replace(rules[name], silent=member.silent, levels=member.levels, phi=member.phi)
        for name, member in candidate.codes.items()
        if member != code
    }
    return code, replace(settings, overrides={**settings.overrides, **own})
