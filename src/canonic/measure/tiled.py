"""Memory where membranes stay at the adders: what a third model of energy, ``tiled45``, adds to the arithmetic.

A tile has ROWS x COLUMNS lanes: rows are places of a layer's output, columns its channels. A layer is done block by
block. All digits of the inputs of a block pass while its sums stay in registers at the lanes, one for each digit; from
there its neurons take all their steps. For one layer and sample, with W weights, each used at N places, and inputs
that meet G channels each::

    weights read    W ceil(N / ROWS)                   once for each block of places, for all T digits
    events read     ACs / G ceil(G / COLUMNS)          a row hands an event to all its columns at once
    numbers read    MACs / G ceil(G / COLUMNS)
    registers       ACs + MACs + membrane updates      each read and written, which costs what an addition costs
    events written  spikes                             numbers written: outputs

Memories are those of ``traffic45``. What sends no spikes takes the same blocks, with one sum a lane.
"""

from math import ceil, log2
from typing import NamedTuple

from canonic.measure.energy import Arithmetic, Work, access

ROWS, COLUMNS = 16, 16


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


class Held(NamedTuple):
    """The energy in microjoules of what a layer reads and writes for one sample.

    Attributes:
        registers: at the lanes.
        weights: their reading.
        streams: reading and writing of events and numbers.
    """

    registers: float
    weights: float
    streams: float


def tile(work: Work, kind: Arithmetic) -> float:
    """Return the energy of all that a layer reads and writes, in microjoules."""
    return sum(held(work, kind))


def moved(work: Work) -> Moved:
    """Return what a layer reads.

    >>> from canonic.measure.reuse import Reuse
    >>> moved(Work(additions=320.0, weights=10, reuse=Reuse(places=17, channels=32)))
    Moved(weights=20, events=20.0, numbers=0.0)
    """
    places, channels = work.reuse
    share = ceil(channels / COLUMNS) / channels
    return Moved(work.weights * ceil(places / ROWS), work.additions * share, work.multiplications * share)


def held(work: Work, kind: Arithmetic) -> Held:
    """Return the energy of what a layer reads and writes, in its parts."""
    read = moved(work)
    registers = (work.additions + work.multiplications + work.updates) * kind.add
    weights = read.weights * access(work.weights * kind.weight / 8, kind.weight)
    streams = read.events * _event(work.inputs, work) + work.spikes * _event(work.outputs, work)
    streams += read.numbers * access(work.inputs * kind.activation / 8, kind.activation)
    if not work.event_driven:
        streams += work.outputs * access(work.outputs * kind.activation / 8, kind.activation)
    return Held(registers * 1e-6, weights * 1e-6, streams * 1e-6)


def _event(neurons: int, work: Work) -> float:
    """Return the picojoules of reading or writing an event of so many neurons."""
    word = ceil(log2(max(2, neurons))) + ceil(log2(len(work.magnitudes)))
    return access(neurons * word / 8, word)
