"""A convolution and the population behind it as one C program, which computes only with channels that fire.

Written by themselves, the currents of all steps go through memory twice, and a neuron that never fires costs as much as
another. Here a pixel's channels that fire at any step are listed once; each output adds up the weights of its list for
all steps at once, and its neurons run on the sums. The first k + 1 digits of the input are added up before: nothing can
fire on part of them.
"""

import logging
from collections.abc import Sequence
from ctypes import Array, c_int64
from functools import cache
from math import prod

import torch
from torch import Tensor
from torch.nn.functional import pad

from canonic.codes import CSS
from canonic.native.build import Program, features, program
from canonic.native.population import (
    TYPES,
    Counters,
    place,
    places,
    term_macro,
)
from canonic.native.rules import TSA, amplifying, numbers_of
from canonic.network.graph import Node, Population
from canonic.network.kernels import geometry
from canonic.network.population import in_rows, in_shape
from canonic.neurons import Scan

log = logging.getLogger("canonic")

LANES = 16
SUMS = 28
"""Vectors of sums that registers hold, beside the weights and digits that are multiplied."""
SCRATCH = 2**19
"""Bytes of events that each thread keeps at hand, about: they stay in the second cache."""
WEIGHTS = (torch.float32, torch.bfloat16, torch.uint8)
"""What weights are held in, by the kind of products."""
FEATURES: tuple[set[str], ...] = (
    set(),
    {"avx512_bf16", "avx512bw", "avx512vl"},
    {"avx512_vnni", "avx512bw", "avx512vl"},
)
"""What a processor must have for them."""
READS = (tuple(TYPES), (torch.int8, torch.bfloat16), (torch.int8,))
"""The types of streams that they take; what is not float32 is spikes."""
LARGEST_DIGIT = 127
"""What digits of the fast kinds hold, and the sum of the first k + 1 as one digit."""
FILES = (*TSA, "events.c", "convolution.c")


def takes(node: Node, code: CSS) -> bool:
    """Whether the program can compute a convolution of spikes, for a population with this code."""
    if not node.weighted or "slides" not in node.traits or node.rounds or node.alone or code.silent >= code.steps:
        return False
    if code.powers and code.levels > 1:
        return False
    weight, bias = node.tensors["weight"], node.tensors.get("bias")
    plain = bias is None or bias.numel() == 1 or bias.shape[-2:] == (1, 1)
    return weight.device.type == "cpu" and plain and geometry(node)[3] == 1


def prepared(node: Node, code: CSS, levels: int) -> Node:
    """Return the convolution with its weights as the program reads them, its bias and its units for each channel.

    Args:
        node: the convolution.
        code: of the population behind it.
        levels: the largest digit of the spikes that it reads.
    """
    weight, kind = node.tensors["weight"], _kind(node, code, levels)
    unit = node.tensors["unit"] if kind == 2 else torch.ones(1)
    tile = LANES * _width(-(-len(weight) // LANES), code.steps - code.silent)
    missing = -len(weight) % tile
    bias = node.tensors.get("bias", torch.zeros(1)) * code.beta**code.silent
    whole = {name: v.float().reshape(-1).expand(len(weight)) for name, v in {"unit": unit, "bias": bias}.items()}
    whole = {name: pad(v, (0, missing)) for name, v in whole.items()}
    numbers = (weight / unit.reshape(-1, 1, 1, 1)).round() if kind == 2 else weight
    ready = _packed(pad(numbers, (0, 0, 0, 0, 0, 0, 0, missing)), kind, tile)
    return node.with_tensors(program=ready, **{f"program {name}": v for name, v in whole.items()})


def _kind(node: Node, code: CSS, levels: int) -> int:
    """Return the fastest kind of products for the weights; float32 holds them all."""
    weight = node.tensors["weight"]
    kind = 2 if "unit" in node.tensors else int(weight.dtype == torch.bfloat16)
    if weight.shape[1] % 2**kind or not FEATURES[kind] <= set(features().split()):
        return 0
    if kind and (reason := _unfit(code, levels)) is not None:
        _said(reason)
        return 0
    return kind


def _unfit(code: CSS, levels: int) -> str | None:
    """Return why the first digits do not add up to a digit of the fast kinds; None if they do."""
    if code.beta % 1:
        return f"digits of beta = {code.beta:g} add up to no whole number"
    largest = levels * sum(code.beta**i for i in range(code.silent + 1))
    if largest <= LARGEST_DIGIT:
        return None
    return f"the first {code.silent + 1} digits up to {levels} add up to {largest:.0f}, beyond {LARGEST_DIGIT}"


@cache
def _said(reason: str) -> None:
    """Say once why weights are multiplied as they are."""
    log.info("convolutions multiply in float32, with the same spikes, as %s", reason)


def _width(vectors: int, digits: int) -> int:
    """Return how many vectors of output channels are computed at once: a divisor of their number."""
    return max(n for n in (1, 2, 3, 4) if vectors % n == 0 and (n == 1 or n * digits <= SUMS))


def _packed(weight: Tensor, kind: int, tile: int) -> Tensor:
    """Return weights as ``[tiles, taps, groups, tile, group]``, those of int8 with 128 added."""
    group, (outputs, channels) = 2**kind, weight.shape[:2]
    shifted = weight + 128 if kind == 2 else weight
    taps = shifted.movedim((0, 1), (3, 2)).reshape(-1, channels // group, group, outputs // tile, tile)
    return taps.permute(3, 0, 1, 4, 2).contiguous().to(WEIGHTS[kind])


def convolved(
    node: Population, convolution: Node, streams: Sequence[Tensor], code: CSS, spike: torch.dtype, *, counted: bool
) -> Scan | None:
    """Return what a population does behind its convolution: ``[time, batch, *shape]``; None where C cannot compute it.

    Args:
        node: the population.
        convolution: the first term of its current, ``prepared``.
        streams: what the convolution reads, and the other terms.
        code: the population's code.
        spike: the type of a spike.
        counted: count the spikes of each neuron.
    """
    given, packed = streams[0], convolution.tensors["program"]
    known = given.dtype in READS[WEIGHTS.index(packed.dtype)] and {spike, *(x.dtype for x in streams)} <= TYPES.keys()
    if not known or len(given) != code.steps:
        return None
    own = in_rows(node, streams[1:], code, spike, counted=counted, first=1)
    lengths = tuple(map(len, own.terms))
    macros = amplifying(code, own).macros
    run = _program(code, macros, given.dtype, _layout(packed, node.shape[0]), (lengths, own.kinds))
    if run is None:
        return None
    shape, rows_each, room, threads = _shape(node, convolution, given)
    pictures, spikes = given.movedim(2, -1).contiguous(), _like(node, given, spike)
    counters = Counters(code.steps, threads, own.neurons)
    listed, scratch = (torch.empty(threads * rows_each * n, dtype=torch.int32) for n in (8, room))
    start = torch.zeros(node.shape[0]) if own.start is None else own.start
    terms = [None, *(x.contiguous() for x in own.terms)]
    owned = None, *own.weights, start, own.theta, own.ceiling
    kept = [None if v is None else v.float().contiguous() for v in owned]
    weights = (packed, *(convolution.tensors[name] for name in ("program unit", "program bias")))
    read = *map(place, (pictures, *weights)), places(terms), places(kept[:-3]), *map(place, kept[-3:])
    written = map(place, (spikes, counters.sums, counters.events))
    working = place(listed), c_int64(rows_each), place(scratch), c_int64(rows_each * room)
    run(shape, *read, *written, *working, threads)
    return in_shape(counters.scan(spikes), node, given)


def _like(node: Population, given: Tensor, spike: torch.dtype) -> Tensor:
    channels, *size = node.shape
    return torch.empty(len(given), given.shape[1] * prod(size), channels, dtype=spike)


def _layout(packed: Tensor, channels: int) -> tuple[int, int, bool, bool]:
    """Return the kind of products, the vectors of a tile, whether one is all channels, and whether all are full."""
    return WEIGHTS.index(packed.dtype), packed.shape[3] // LANES, channels == LANES, channels % LANES == 0


def _shape(node: Population, convolution: Node, given: Tensor) -> tuple["Array[c_int64]", int, int, int]:
    """Return the Shape of convolution.c, the rows that a thread lists at a time, their room, and the threads."""
    steps, batch, channels, height, width = given.shape
    kernel = convolution.tensors["weight"].shape[2:]
    stride, padding, dilation, _ = geometry(convolution)
    threads = min(torch.get_num_threads(), 1 + batch * node.size // 4096)
    entry = -(-(steps + 1) // 8) * 8
    room = width * (convolution.tensors["program"].shape[2] * entry + entry + 1) + 1
    reach = (kernel[0] - 1) * dilation[0] + 1
    images, band = _part(batch, node.shape[1], (SCRATCH // (4 * room), stride[0], reach), height, threads)
    sizes = batch, height, width, channels, *node.shape[1:], node.shape[0]
    numbers = (*sizes, *kernel, *stride, *padding, *dilation, images, band)
    rows_each = images * min(height, (band - 1) * stride[0] + reach)
    return (c_int64 * len(numbers))(*numbers), rows_each, room, threads


def _part(batch: int, rows: int, reading: tuple[int, int, int], height: int, threads: int) -> tuple[int, int]:
    """Return how many images, and rows of their outputs, a thread works on at a time: whole images if there is room.

    Args:
        batch: images.
        rows: of the outputs of an image.
        reading: rows of the input that there is room for, the stride, and the rows that one output reads.
        height: rows of an image of the input.
        threads: that share the work.
    """
    room, stride, reach = reading
    if room >= height and batch >= threads:
        return max(1, min(room // height, batch // (2 * threads))), rows
    least = -(-rows * batch // threads)  # every thread has some rows
    return 1, max(1, min(rows, least, (room - reach) // stride + 1))


@cache
def _program(
    code: CSS,
    macros: tuple[str, ...],
    given: torch.dtype,
    layout: tuple[int, int, bool, bool],
    others: tuple[tuple[int, ...], tuple[tuple[torch.dtype, bool], ...]],
) -> Program | None:
    (kind, vectors, narrow, whole), (lengths, kinds) = layout, others
    own = "if (t >= CODE.silent && t < CODE.steps) u[m] += read_float(CURRENT, n);"
    known = enumerate(zip(lengths, kinds, strict=True), 1)
    terms = (term_macro(i, type_, str(length), weighted=w) for i, (length, (type_, w)) in known)
    further = (
        f"CODE=((Code){{{', '.join(map(repr, numbers_of(code)))}}})",
        "ALL_STEPS=UNROLLED",
        f"DIGITS={code.steps - code.silent}",
        f"KIND={kind}",
        f"INPUT={TYPES[given]}",
        f"VECTORS={vectors}",
        f"ABREAST={1 + narrow}",
        f"WHOLE={whole:d}",
        f"TERMS={1 + len(lengths)}",
        "CURRENT=(const float *)terms[0] + (m * DIGITS + t - CODE.silent) * LANES",
        f"ADD_TERMS={own} {' '.join(terms)}",
    )
    return program(FILES, "convolve", (*macros, *further), ("-ffp-contract=fast",) if kind == 0 else ())
