"""Codes assigned to layers (hybrid codes, arXiv 2305.16594): which can be, in how many steps, before a conversion."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from canonic.checks import whole
from canonic.codes import EITHER_SIGN, Weighted, code_of, text_of
from canonic.conversion.settings import ThresholdRule
from canonic.errors import ConversionError
from canonic.network.graph import Graph, Precision
from canonic.network.plan import Plan, total_steps
from canonic.sweep.grid import Setting
from canonic.sweep.run import coded
from canonic.words import counted

Assigned = Mapping[str, str]
"""The code of each population, by name, as ``code_of`` reads it."""


class Change(NamedTuple):
    """Another code for one layer."""

    layer: str
    code: str


@dataclass(frozen=True)
class Space:
    """The assignments of some codes to the populations of a network.

    Attributes:
        graph: of the source network.
        codes: that are assigned.
        threshold: the rule that chooses theta, for all.
        precision: that the network runs at.
    """

    graph: Graph
    codes: tuple[str, ...]
    threshold: ThresholdRule = "mse"
    precision: Precision = "fp32"

    @cached_property
    def layers(self) -> dict[str, tuple[str, ...]]:
        """The codes that each population can be in."""
        signed = tuple(code for code in self.codes if code_of(code).alphabet.signed)
        found = [(node.name, node.neurons) for node in self.graph.populations]
        return {name: signed if neurons.signed else self.codes for name, neurons in found}

    def uniform(self, code: str) -> Setting:
        """Return the setting with a code in all layers that can be in it; the others are in the first that they can."""
        return self.setting({name: code if code in can else can[0] for name, can in self.layers.items()})

    def setting(self, assigned: Assigned) -> Setting:
        """Return the setting of an assignment: the code that most layers have, and the layers in others."""
        counts = Counter(assigned.values())
        common = max(self.codes, key=counts.__getitem__)
        others = tuple((name, code) for name, code in assigned.items() if code != common)
        return Setting(code=common, threshold=self.threshold, precision=self.precision, layers=others)

    def assigned(self, setting: Setting) -> Assigned:
        """Return the assignment of a setting."""
        return setting.assigned(self.layers)

    def changed(self, setting: Setting, change: Change) -> Setting:
        """Return the setting with another code in one layer."""
        return self.setting({**self.assigned(setting), change.layer: change.code})

    def changes(self, setting: Setting) -> list[Change]:
        """Return all other codes that layers can be in."""
        assigned = self.assigned(setting)
        return [Change(name, code) for name, can in self.layers.items() for code in can if code != assigned[name]]

    def steps(self, setting: Setting) -> int | None:
        """Return the total steps of a setting; None where it cannot be, as streams meet that no code can carry."""
        try:
            return total_steps(Plan(coded(self.graph, setting), setting.sent))
        except ConversionError:
            return None

    def fits(self, setting: Setting, limit: int) -> bool:
        """Tell whether a setting answers within so many steps."""
        steps = self.steps(setting)
        return steps is not None and steps <= limit


def space_of(
    graph: Graph, codes: Sequence[Weighted | str], threshold: ThresholdRule = "mse", precision: Precision = "fp32"
) -> Space:
    """Return the assignments of codes to the populations of a source network.

    Raises:
        CanonicError: if there is no code of a name.
        ConversionError: if there are fewer than two, a code can carry no layer, or a layer can be in no code.
    """
    texts = tuple(dict.fromkeys(text_of(code_of(code)) for code in codes))
    if len(texts) < 2:
        raise ConversionError(
            f"a search assigns at least two codes to layers, got {', '.join(texts) or 'none'}: name more, such as "
            "css,burst"
        )
    space = Space(graph, texts, threshold, precision)
    for name, can in space.layers.items():
        if not can:
            raise ConversionError(
                f"{name} sends numbers of either sign, and none of {', '.join(texts)} has a negative event: add "
                f"{EITHER_SIGN} to the codes"
            )
    for code in texts:
        if not any(code in can for can in space.layers.values()):
            raise ConversionError(
                f"the code {code} can carry no layer of this network: {counted(len(space.layers), 'population')} send "
                f"numbers of either sign, and it has no negative event; leave it out, or take {EITHER_SIGN}"
            )
    return space


def alone(space: Space, limit: int) -> list[Setting]:
    """Return, for each code, that of all layers which can be in it, as far as they answer within so many steps.

    Raises:
        ConversionError: if none does, with the least that one needs.
    """
    whole("limit", limit, 1, 10**6, "the total steps that the answer may take", ConversionError)
    settings = list(dict.fromkeys(map(space.uniform, space.codes)))
    if fitting := [setting for setting in settings if space.fits(setting, limit)]:
        return fitting
    needed = [(steps, setting.code) for setting in settings if (steps := space.steps(setting)) is not None]
    if not needed:
        coded(space.graph, settings[0])  # says why not
    least, code = min(needed)
    raise ConversionError(
        f"limit is {counted(limit, 'step')}, and the least that {', '.join(space.codes)} need in this network are "
        f"{least}, with {code} in every layer: allow as many, or name codes of fewer steps"
    )
