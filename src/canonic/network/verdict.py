"""What a verification found, as data and as text."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from canonic.network.advice import Tried, best, remedy
from canonic.tables import html_table
from canonic.words import counted

HEADINGS = ("layer", "k", "SNR dB", "own dB", "overload %", "at k = T")


@dataclass(frozen=True)
class LayerHealth:
    """The health of one population.

    Attributes:
        name: of the population.
        silent: its silent steps k.
        snr: signal-to-noise ratio of what its spikes stand for against the source network, in dB.
        expected: what it would be if the layer passed on the noise of the noisiest layer that feeds it, and only
            rounded, in dB; a layer that averages noise out, or cuts it off, does better.
        own: signal-to-noise ratio of the error that this layer makes by itself, in dB.
        overload: share of its firing steps at which a neuron was overloaded.
        overload_at_t: what that would be with k = T: numbers that the code cannot hold overload a neuron whatever k.
    """

    name: str
    silent: int
    snr: float
    expected: float
    own: float
    overload: float
    overload_at_t: float


@dataclass(frozen=True)
class Verification:
    """How close a spiking network is to its source on some data.

    Attributes:
        samples: that were compared.
        layers: the populations, in order of computation.
        outputs: signal-to-noise ratio of each output, in dB.
        agreement: of each output ``[batch, classes]``, the share of samples with the class of the source network.
        first_drop: the first layer that loses 6 dB more than it inherits and rounds, if there is one.
        finding: where the error comes from, in words.
        trials: changes of the conversion, and what each of them gained.
        tried: samples that they were tried on.
    """

    samples: int
    layers: tuple[LayerHealth, ...]
    outputs: Mapping[str, float]
    agreement: Mapping[str, float]
    first_drop: str | None
    finding: str
    trials: tuple[Tried, ...] = ()
    tried: int = 0

    @property
    def advised(self) -> Tried | None:
        """The change that was seen to help, if one was."""
        return best(self.trials)

    @property
    def remedy(self) -> str:
        """What to change, in words."""
        return remedy(self.trials, self.tried)

    @property
    def advice(self) -> str:
        """One sentence on where the error comes from, and on what to change."""
        return f"{self.finding}; {self.remedy}"

    @property
    def snr(self) -> float:
        """The signal-to-noise ratio of the worst output, in dB."""
        return min(self.outputs.values())

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain data; null stands for an infinite ratio."""
        data = asdict(self)
        for layer in data["layers"]:
            layer.update({name: _finite(layer[name]) for name in ("snr", "expected", "own")})
        outputs = {name: _finite(value) for name, value in self.outputs.items()}
        return {**data, "outputs": outputs, "advised": self.advised and asdict(self.advised), "advice": self.advice}

    def __repr__(self) -> str:
        drop = f"; first drop: {self.first_drop}" if self.first_drop else ""
        size = f"{counted(self.samples, 'sample')}, {counted(len(self.layers), 'layer')}"
        return f"Verification({size}, the output at {self.snr:.1f} dB{drop})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html_table((*HEADINGS, ""), self.rows(), f"{self.summary}. {self.advice}")

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of a table: a row for each layer, and behind it a mark where the error drops."""
        marks = {self.first_drop: "<- drops"}
        return [
            (x.name, f"{x.silent}", f"{x.snr:.1f}", f"{x.own:.1f}", *_percent(x), marks.get(x.name, ""))
            for x in self.layers
        ]

    @property
    def summary(self) -> str:
        """How near each output is to that of the source, in one sentence."""
        outputs = ", ".join(f"{name} {value:.1f} dB{self._agreed(name)}" for name, value in self.outputs.items())
        return f"{counted(self.samples, 'sample')}; outputs: {outputs}"

    def __str__(self) -> str:
        width = max(5, *(len(layer.name) for layer in self.layers))
        lines = ["  ".join((f"{HEADINGS[0]:{width}}", " k", *HEADINGS[2:]))]
        for name, silent, snr, own, share, least, mark in self.rows():
            numbers = f"{silent:>2}  {snr:>6}  {own:>6}  {share:>10}  {least:>8}"
            lines.append(f"{name:{width}}  {numbers}  {mark}".rstrip())
        return "\n".join((*lines, "", self.summary, self.advice))

    def _agreed(self, name: str) -> str:
        share = self.agreement.get(name)
        return "" if share is None else f", the class of the source in {100 * share:.2f} %"


def _percent(layer: LayerHealth) -> tuple[str, str]:
    """Return the overload of a layer, and what it would be with k = T."""
    return f"{100 * layer.overload:.3f}", f"{100 * layer.overload_at_t:.3f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
