"""Energy as a model: counted operations, times what one of them costs in a 45 nm process. An estimate, not a measure.

Two models, both with the constants of M. Horowitz, "Computing's energy problem", ISSCC 2014 (45 nm, 0.9 V):

horowitz45   the arithmetic alone:  E = ACs e_add + MACs (e_mul + e_add) + membrane updates e_add
traffic45    the same, and what moves between memory and arithmetic, after Lemaire et al. ("An analytical estimation of
             spiking neural networks energy efficiency", ICONIP 2022): a word of b bits from a memory of S bytes
             costs b / 64 times an access of 64 bits. A frame-based network reads a weight and an activation for each
             MAC and writes each output once; a spiking one reads a weight, and reads and writes a membrane, for each
             spike and synapse, reads and writes every membrane at every step, and writes and reads every spike as an
             address.
"""

from dataclasses import dataclass
from math import ceil, log2
from typing import Any, Literal, get_args

from canonic.network.graph import Precision

HOROWITZ = "M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014: 45 nm, 0.9 V"
SOURCES = {"horowitz45": HOROWITZ, "traffic45": f"{HOROWITZ}; memory traffic after Lemaire et al., ICONIP 2022"}

ADD = {"int8": 0.03, "int32": 0.1, "fp16": 0.4, "fp32": 0.9}
MULTIPLY = {"int8": 0.2, "int32": 3.1, "fp16": 1.1, "fp32": 3.7}
"""Picojoules of one operation."""

ACCESS = ((8 * 1024, 10.0), (32 * 1024, 20.0), (1024 * 1024, 100.0))
"""Bytes of a memory on the chip, and picojoules of an access of 64 bits; straight lines in between and beyond."""

Model = Literal["horowitz45", "traffic45"]
MODELS: tuple[Model, ...] = get_args(Model)


@dataclass(frozen=True)
class Arithmetic:
    """What a network computes with.

    Attributes:
        add: picojoules of an addition to a membrane or accumulator.
        multiply: picojoules of a product.
        weight: bits of a weight.
        number: bits of an activation, a membrane or a sum.
    """

    add: float
    multiply: float
    weight: int
    number: int


FLOATS = Arithmetic(ADD["fp32"], MULTIPLY["fp32"], 32, 32)
INTEGERS = Arithmetic(ADD["int32"], MULTIPLY["int8"], 8, 32)
ARITHMETIC: dict[str, Arithmetic] = {
    "fp32": FLOATS,
    "bf16x2": FLOATS,
    "bf16": Arithmetic(ADD["fp32"], MULTIPLY["fp16"], 16, 32),
    "int8": INTEGERS,
}


@dataclass(frozen=True)
class Work:
    """What one layer does for one sample.

    Attributes:
        additions: ACs.
        multiplications: MACs.
        weights: how many it has.
        outputs: elements of its output: membranes, or sums.
        updates: of membranes, one for each neuron and step.
        spikes: that its neurons send.
        event_driven: whether sums are kept in memory between two operations, as membranes are.
    """

    additions: float
    multiplications: float
    weights: int
    outputs: int
    updates: float = 0.0
    spikes: float = 0.0
    event_driven: bool = False


def arithmetic_of(precision: Precision) -> Arithmetic:
    """Return what a network at this precision computes with."""
    return ARITHMETIC[precision]


def compute(work: Work, kind: Arithmetic) -> float:
    """Return the energy of the operations of a layer in microjoules."""
    picojoules = work.additions * kind.add + work.multiplications * (kind.multiply + kind.add) + work.updates * kind.add
    return picojoules * 1e-6


def traffic(work: Work, kind: Arithmetic) -> float:
    """Return the energy of the memory traffic of a layer in microjoules."""
    operations = work.additions + work.multiplications
    weights = operations * access(work.weights * kind.weight / 8, kind.weight)
    state = access(work.outputs * kind.number / 8, kind.number)
    address = ceil(log2(max(2, work.outputs)))
    if work.event_driven:
        moved = 2 * (operations + work.updates) * state
    else:
        moved = work.outputs * state + operations * access(work.outputs * kind.weight / 8, kind.weight)
    return (weights + moved + 2 * work.spikes * access(work.outputs * address / 8, address)) * 1e-6


def access(size: float, bits: int) -> float:
    """Return the picojoules of reading or writing a word of so many bits in a memory of so many bytes.

    >>> access(32 * 1024, 64), access(32 * 1024, 8)
    (20.0, 2.5)
    """
    (x0, y0), (x1, y1) = ACCESS[:2] if size <= ACCESS[1][0] else ACCESS[1:]
    return max(0.0, y0 + (size - x0) * (y1 - y0) / (x1 - x0)) * bits / 64


def constants() -> dict[str, Any]:
    """Return all constants as plain data, in picojoules."""
    return {"add": ADD, "multiply": MULTIPLY, "access of 64 bits by bytes of memory": {str(s): e for s, e in ACCESS}}
