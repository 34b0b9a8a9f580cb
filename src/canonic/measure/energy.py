"""Energy as a model: counted operations, times what one of them costs in a 45 nm process. An estimate, not a measure.

Three models, all with the constants of M. Horowitz, "Computing's energy problem", ISSCC 2014 (45 nm, 0.9 V):

horowitz45   the arithmetic alone:  E = ACs e_add + MACs (e_mul + e_add) + membrane updates e_add
traffic45    the same, and what moves between memory and arithmetic, after Lemaire et al. ("An analytical estimation of
             spiking neural networks energy efficiency", ICONIP 2022): a word of b bits from a memory of S bytes
             costs b / 64 times an access of 64 bits. A frame-based network reads a weight and an activation for each
             MAC and writes each output once; a spiking one reads a weight, and reads and writes a membrane, for each
             spike and synapse, reads and writes every membrane and other state at every step, and writes every spike
             as an address that each layer behind it reads.
tiled45      the same arithmetic, and what moves where membranes stay at the adders: ``canonic.measure.tiled``.

Where events differ in size there are two chips. One has unary events: an event of several units is so many of them. On
the other an event carries its size, and its synapse scales the weight by it: a shift where all sizes are powers of two,
which is charged as an addition of that width (0.024 pJ for 8 bits in 45 nm: You et al., ShiftAddNet, NeurIPS 2020), of
the exponent in floats; else a multiplication by a small whole number, in floats one of floats. Its bits are written and
read behind the address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2
from typing import Any, Literal, get_args

from canonic.errors import DataError
from canonic.measure.reuse import ONCE, Reuse
from canonic.network.graph import Precision

HOROWITZ = "M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014: 45 nm, 0.9 V"
SOURCES = {
    "horowitz45": HOROWITZ,
    "traffic45": f"{HOROWITZ}; memory traffic after Lemaire et al., ICONIP 2022",
    "tiled45": f"{HOROWITZ}; membranes stay at the adders of a tile of 16 x 16 lanes",
}

ADD = {"int8": 0.03, "int32": 0.1, "fp16": 0.4, "fp32": 0.9}
MULTIPLY = {"int8": 0.2, "int32": 3.1, "fp16": 1.1, "fp32": 3.7}
"""Picojoules of one operation."""

ACCESS = ((8 * 1024, 10.0), (32 * 1024, 20.0), (1024 * 1024, 100.0))
"""Bytes of a memory on the chip, and picojoules of an access of 64 bits; straight lines in between and beyond."""

Model = Literal["horowitz45", "traffic45", "tiled45"]
MODELS: tuple[Model, ...] = get_args(Model)


@dataclass(frozen=True)
class Arithmetic:
    """What a layer computes with.

    Attributes:
        add: picojoules of an addition to a membrane or accumulator.
        multiply: picojoules of a product.
        weight: bits of a weight.
        activation: bits of a number between two layers that is no spike.
        state: bits of a membrane or a sum.
        shift: picojoules of a product with a power of two.
    """

    add: float
    multiply: float
    weight: int
    activation: int
    state: int
    shift: float


def whole(activation: int) -> Arithmetic:
    """Return arithmetic of 8-bit weights and activations of so many bits: a multiplier grows with both widths."""
    return Arithmetic(ADD["int32"], MULTIPLY["int8"] * activation / 8, 8, activation, 32, ADD["int32"])


FLOATS = Arithmetic(ADD["fp32"], MULTIPLY["fp32"], 32, 32, 32, ADD["int8"])
HALVES = Arithmetic(ADD["fp32"], MULTIPLY["fp16"], 16, 16, 32, ADD["int8"])
INTEGERS = whole(8)
MIXED = whole(16)
"""Of an integer spiking network: its input, and what an average pooling has summed, may have up to 16 bits."""


def arithmetic_of(precision: Precision, weight: int = 32) -> Arithmetic:
    """Return what a layer with weights of so many bits computes with: in bf16 the outer layers stay in fp32."""
    if precision == "int8":
        return MIXED
    return HALVES if precision == "bf16" and weight == 16 else FLOATS


@dataclass(frozen=True)
class Work:
    """What one layer does for one sample.

    Attributes:
        additions: ACs.
        multiplications: MACs.
        weights: how many it has.
        inputs: elements that it reads.
        outputs: elements of its output: membranes, or sums.
        updates: of membranes and other state, beside those by operations.
        spikes: that are written, and read by each reader.
        readers: of the spikes.
        event_driven: whether sums are kept in memory between two operations, as membranes are.
        magnitudes: the sizes of the events that make the additions, and of the spikes, largest first.
        reuse: of its weights and inputs.
    """

    additions: float = 0.0
    multiplications: float = 0.0
    weights: int = 0
    inputs: int = 0
    outputs: int = 0
    updates: float = 0.0
    spikes: float = 0.0
    readers: int = 1
    event_driven: bool = False
    magnitudes: tuple[float, ...] = (1.0,)
    reuse: Reuse = ONCE


def compute(work: Work, kind: Arithmetic) -> float:
    """Return the energy of the operations of a layer in microjoules."""
    picojoules = work.additions * (scaling(work.magnitudes, kind) + kind.add)
    picojoules += work.multiplications * (kind.multiply + kind.add)
    return (picojoules + work.updates * kind.add) * 1e-6


def scaling(magnitudes: Sequence[float], kind: Arithmetic) -> float:
    """Return the picojoules of scaling a weight by the size of an event, one of these, largest first.

    >>> [round(scaling(sizes, INTEGERS), 3) for sizes in ((1.0,), (1.0, 0.5, 0.25), (3.0, 2.0, 1.0))]
    [0.0, 0.1, 0.05]
    """
    units = [size / magnitudes[-1] for size in magnitudes]
    if len(units) == 1:
        return 0.0
    if all(log2(size) % 1 == 0 for size in units):
        return kind.shift
    return whole(ceil(log2(units[0] + 1))).multiply if kind.weight == 8 else kind.multiply


def traffic(work: Work, kind: Arithmetic) -> float:
    """Return the energy of the memory traffic of a layer in microjoules."""
    operations = work.additions + work.multiplications
    weights = operations * access(work.weights * kind.weight / 8, kind.weight) if work.weights else 0.0
    if work.event_driven:
        moved = 2 * (operations + work.updates) * access(work.outputs * kind.state / 8, kind.state)
    else:
        moved = operations * access(work.inputs * kind.activation / 8, kind.activation)
        moved += work.outputs * access(work.outputs * kind.activation / 8, kind.activation)
    word = ceil(log2(max(2, work.outputs))) + ceil(log2(len(work.magnitudes)))
    events = (1 + work.readers) * work.spikes * access(work.outputs * word / 8, word)
    return (weights + moved + events) * 1e-6


def access(size: float, bits: int) -> float:
    """Return the picojoules of reading or writing a word of so many bits in a memory of so many bytes.

    >>> access(32 * 1024.0, 64), access(32 * 1024.0, 8)
    (20.0, 2.5)
    """
    (x0, y0), (x1, y1) = ACCESS[:2] if size <= ACCESS[1][0] else ACCESS[1:]
    return max(0.0, y0 + (size - x0) * (y1 - y0) / (x1 - x0)) * bits / 64


def require_models(models: Sequence[str]) -> tuple[Model, ...]:
    """Return the models of these names; raise a DataError if there is no such model."""
    for name in [models] if isinstance(models, str) else models:
        if name not in MODELS:
            raise DataError(f"energy must be a list of {', '.join(MODELS)}, got {name!r}")
    return tuple(name for name in MODELS if name in ([models] if isinstance(models, str) else models))


def constants() -> dict[str, Any]:
    """Return all constants as plain data, in picojoules."""
    memories = {f"in_{size // 1024}_KiB": energy for size, energy in ACCESS}
    return {"add": ADD, "multiply": MULTIPLY, "access_of_64_bits": memories}
