"""What each population would lose in each member of the family of CSS, by itself: on captured currents, no network.

One pass over some samples, in lockstep with the source network, captures the currents that exact neurons send to each
population, digits of one radix. Each population is then run on them with more and more redundancy, silent steps or
levels, until more would gain next to nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.codes import CSS
from canonic.conversion.calibrate import Calibration
from canonic.conversion.convert import placed
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import Settings, resolve
from canonic.goals.heldout import spaced
from canonic.network.graph import Graph, Population
from canonic.network.health import noise
from canonic.network.lockstep import lockstep
from canonic.network.population import population_scan
from canonic.network.reference import activate
from canonic.network.samples import capacity

SCREENED, SCREENED_BYTES, FEWEST = 16, 2**25, 4
"""Samples that populations are screened on: so few that a layer of them takes so many bytes a step, at least some."""

EXACT = 1.25
"""How many times the error of exact neurons is near enough: 1 dB."""


@dataclass(frozen=True)
class Loss:
    """What a population does in one member of the family.

    Attributes:
        noise: squares of the error that it makes by itself, for each of its signal.
        events: of all its neurons, for one sample.
        units: their sizes, added up.
    """

    noise: float
    events: float
    units: float


@dataclass(frozen=True)
class Measured:
    """What a population did with as many digits as were screened.

    Attributes:
        noise: as of a ``Loss``.
        events: that it had sent after each digit.
        units: their sizes, added up.
    """

    noise: float
    events: Sequence[float]
    units: Sequence[float]

    def loss(self, noise: float, steps: int) -> Loss:
        """Return what it would do with so many digits; those that were not run send as many as the others."""
        last, longer = min(steps, len(self.events)) - 1, max(1.0, steps / len(self.events))
        return Loss(noise, self.events[last] * longer, self.units[last] * longer)


@dataclass(frozen=True)
class Screen:
    """What populations lose in the members of one radix.

    Attributes:
        code: of exact neurons, with as many digits as were screened.
        exact: what each population loses in it, but those that code an input.
        losses: and in members that have been tried, as far as more redundancy gained.
    """

    code: CSS
    exact: Mapping[str, Measured]
    losses: Mapping[str, Mapping[CSS, Measured]]

    def loss(self, name: str, member: CSS, steps: int) -> Loss:
        """Return what a population would lose with so many digits.

        Rounding falls with every digit, what overload adds does not; a member that was not tried has more redundancy
        than needed, and is exact.
        """
        exact, found = self.exact[name], self.losses[name].get(member, self.exact[name])
        rounding = exact.noise * self.code.beta ** (2 * (self.code.steps - steps))
        return found.loss(rounding + max(0.0, found.noise - exact.noise), steps)


def screen(graph: Graph, seen: Calibration, code: CSS, ladders: Sequence[Sequence[CSS]], settings: Settings) -> Screen:
    """Return what each population loses.

    Args:
        graph: of the source network, without codes.
        seen: what calibration has seen of it.
        code: of the radix and as many digits.
        ladders: members to try, each with more redundancy than the one before; the rest is left out once one is exact.
        settings: of the conversion.
    """
    rules = resolve(settings, [node.name for node in graph.populations])
    patient = replace(code, silent=code.steps)
    plan = placed(set_codes(graph, patient, rules), seen, patient, settings).plan
    exact: dict[str, Measured] = {}
    losses: dict[str, dict[CSS, Measured]] = {}

    def tried(node: Population, _: Tensor, currents: Tensor) -> Population:
        if not node.neurons.encodes:
            exact[node.name] = _measured(node, patient, currents)
            losses[node.name] = dict(_climbed(node, ladders, currents, exact[node.name]))
        return node

    with torch.no_grad():
        few = max(FEWEST, capacity(graph, SCREENED, SCREENED_BYTES))
        for _ in lockstep(plan, spaced(seen.kept, few), tried):
            pass
    return Screen(code, exact, losses)


def _climbed(
    node: Population, ladders: Sequence[Sequence[CSS]], currents: Tensor, exact: Measured
) -> Iterable[tuple[CSS, Measured]]:
    """Yield members up to the first that is exact: more redundancy changes nothing, but a later phi sends less."""
    for ladder in ladders:
        for member in ladder:
            found = _measured(node, member, currents)
            yield member, found
            if found.noise <= EXACT * exact.noise and member.phi == CSS.phi:
                break


def _measured(node: Population, member: CSS, currents: Float[Tensor, "time batch ..."]) -> Measured:
    wanted = activate(node, member.decode(currents))
    spikes = population_scan(node, [currents], member).spikes
    sums = noise(node.tensors["theta"], wanted, member.decode(spikes))
    size = spikes.abs()
    events, units = (x.flatten(1).sum(1).cumsum(0).div(len(wanted)).tolist() for x in ((size > 0).double(), size))
    return Measured(sums.error / sums.signal if sums.signal else 0.0, events, units)
