"""A convolution and the population behind it as one C program, which computes only with channels that fire.

Written by themselves, the currents of all steps go through memory twice, and a neuron that never fires costs as much as
another. Here a pixel's channels that fire at any step are listed once; each output adds up the weights of its list for
all steps at once, and its neurons run on the sums. The first k + 1 digits of the input are added up before: nothing can
fire on part of them.
"""

from collections.abc import Hashable, Sequence
from ctypes import Array, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod

import torch
from torch import Tensor

from canonic.codes import CSS
from canonic.native.build import Source, program
from canonic.native.population import TYPES, Counters, Given, place, places, term_macro
from canonic.native.rules import amplifying, numbers_of
from canonic.network.graph import Node, Population
from canonic.network.kernels import geometry, placed
from canonic.network.population import in_rows, in_shape
from canonic.network.products import DENSE, DEPTHWISE, LANES, WEIGHTS, depthwise, tiles
from canonic.neurons import Scan

SCRATCH = 2**19
"""Bytes of what products read that each thread keeps at hand, about: they stay in the second cache."""
WHOLE = (torch.int8,)
READS = (tuple(TYPES), (torch.int8, torch.bfloat16), WHOLE, WHOLE, (torch.int8, torch.bfloat16), WHOLE)
"""The types of streams that the kinds of products take; what is not float32 is spikes."""
BY_LISTS = ("events.c", "lists.c", "convolution.c")
IN_FULL = ("dense.c", "convolution.c")
SIDE_BY_SIDE = ("depthwise.c", "convolution.c")
NEIGHBOURS = 16
"""Pixels whose dense products are computed at once."""


def takes(node: Node, code: CSS) -> bool:
    """Whether the program can compute a convolution of spikes, for a population with this code."""
    if not node.weighted or "slides" not in node.traits or node.rounds or node.alone or code.silent >= code.steps:
        return False
    if code.powers and code.levels > 1:
        return False
    weight, bias = node.tensors["weight"], node.tensors.get("bias")
    plain = bias is None or bias.numel() == 1 or bias.shape[-2:] == (1, 1)
    return weight.device.type == "cpu" and plain and (geometry(node)[3] == 1 or depthwise(node))


@dataclass(frozen=True)
class Call:
    """What calls with streams of one kind have in common.

    Attributes:
        source: the program.
        shape: the Shape of convolution.c.
        spikes: the shape of its spikes, ``[time, rows, channels]``.
        weights: of the convolution, with their units and its bias.
        owned: the population's: the weights of its terms, its start, its theta and its ceiling.
        rows_each: rows that a thread reads at a time.
        each: numbers that it keeps for them.
        threads: that share the work.
    """

    source: Source
    shape: Tensor
    spikes: tuple[int, int, int]
    weights: tuple[Tensor, ...]
    owned: tuple[Tensor | None, ...]
    rows_each: int
    each: int
    threads: int

    @cached_property
    def read(self) -> tuple[tuple[c_void_p, ...], tuple["Array[c_void_p] | c_void_p", ...]]:
        """Where lies what C reads, before the terms of a call and after them."""
        return tuple(map(place, self.weights)), (places(self.owned[:-3]), *map(place, self.owned[-3:]))


Calls = dict[str, tuple[Hashable, Call | None]]
"""Of each population the kind of streams that it last read, and the call; None where C cannot compute it."""


def convolved(
    node: Population,
    convolution: Node,
    streams: Sequence[Tensor],
    code: CSS,
    spike: torch.dtype,
    calls: Calls,
    *,
    counted: bool,
) -> Scan | None:
    """Return what a population does behind its convolution: ``[time, batch, *shape]``; None where C cannot compute it.

    Args:
        node: the population.
        convolution: the first term of its current, ``prepared``.
        streams: what the convolution reads, and the other terms.
        code: the population's code.
        spike: the type of a spike.
        calls: of the network, so that what they have in common is not made again for each; what is new is added.
        counted: count the spikes of each neuron, and overloads.
    """
    kind = spike, counted, torch.get_num_threads(), *((x.shape, x.dtype) for x in streams)
    known = calls.get(node.name)  # another thread may run other streams meanwhile
    if known is None or known[0] != kind:
        known = calls[node.name] = kind, _call(node, convolution, streams, code, spike, counted=counted)
    call = known[1]
    run = None if call is None else program(call.source)
    if call is None or run is None:
        return None
    pictures, spikes = streams[0].movedim(2, -1).contiguous(), torch.empty(call.spikes, dtype=spike)
    counters = Counters(code.steps, call.threads, node.size if counted else None)
    listed, scratch = (torch.empty(call.threads * n, dtype=torch.int32) for n in (8 * call.rows_each, call.each))
    terms = [None, *(x.movedim(2, -1).contiguous() for x in streams[1:])]
    before, after = call.read
    read = place(pictures), *before, places(terms), *after
    written = map(place, (spikes, counters.sums, counters.events))
    working = place(listed), c_int64(call.rows_each), place(scratch), c_int64(call.each)
    run(place(call.shape), *read, *written, *working, call.threads)
    return in_shape(counters.scan(spikes), node, streams[0])


def _call(
    node: Population, convolution: Node, streams: Sequence[Tensor], code: CSS, spike: torch.dtype, *, counted: bool
) -> Call | None:
    """Return what calls with such streams have in common; None where C cannot compute it."""
    own = in_rows(node, streams[1:], code, spike, counted=counted, first=1)
    packed = convolution.tensors["program"]
    source = source_of(node, packed, streams[0], code, own)
    if source is None:
        return None
    start = torch.zeros(node.shape[0]) if own.start is None else own.start
    owned = None, *own.weights, start, own.theta, own.ceiling
    kept = tuple(None if v is None else v.float().contiguous() for v in owned)
    weights = (packed, *(convolution.tensors[name] for name in ("program unit", "program bias")))
    shape, rows_each, room, threads = _shape(node, convolution, streams[0])
    each = rows_each * room + LANES  # what tiles take in beyond the last row
    spikes = code.steps, streams[0].shape[1] * prod(node.shape[1:]), node.shape[0]
    return Call(source, shape, spikes, weights, kept, rows_each, each, threads)


def source_of(node: Population, packed: Tensor, given: Tensor, code: CSS, own: Given) -> Source | None:
    """Return the program of a population and its convolution; None where there is none for these streams.

    Args:
        node: the population.
        packed: the weights of its convolution, ``prepared``.
        given: what the convolution reads.
        code: the population's code.
        own: what the population reads beside it.
    """
    reads = READS[WEIGHTS.index(packed.dtype)]
    known = given.dtype in reads and {own.spike, *(x.dtype for x in own.terms)} <= TYPES.keys()
    if not known or len(given) != code.steps:
        return None
    others = tuple(map(len, own.terms)), own.kinds
    rule = amplifying(code, own)
    neurons = (*rule.files[:-1], "shape.c", rule.files[-1]), rule.macros, rule.whole
    return _source(code, neurons, given.dtype, _layout(packed, node.shape[0]), others)


def _layout(packed: Tensor, channels: int) -> tuple[int, int, bool, bool]:
    """Return the kind of products, the vectors of a tile, whether one is all channels, and whether all are full."""
    kind = WEIGHTS.index(packed.dtype)
    if kind == DEPTHWISE:
        vectors = packed.shape[2] // LANES
    else:
        vectors = packed.shape[1] if kind >= DENSE else packed.shape[3] // LANES
    return kind, vectors, channels == LANES == vectors * LANES, channels % LANES == 0


def _shape(node: Population, convolution: Node, given: Tensor) -> tuple[Tensor, int, int, int]:
    """Return the Shape of convolution.c, the rows that a thread reads at a time, their room, and the threads."""
    steps, batch, channels, height, width = given.shape
    kernel = convolution.tensors["weight"].shape[2:]
    stride, padding, dilation, _ = placed(convolution)
    threads = min(torch.get_num_threads(), 1 + batch * node.size // 4096)
    packed, reach = convolution.tensors["program"], (kernel[0] - 1) * dilation[0] + 1
    read = (node.shape[1] - 1) * stride[0] + reach
    margin = max(0, (node.shape[2] - 1) * stride[1] + (kernel[1] - 1) * dilation[1] + 1 - padding[1] - width)
    if packed.dtype in WEIGHTS[DENSE:]:  # digits, and the padding around them
        together = packed.shape[2] if packed.dtype == WEIGHTS[DEPTHWISE] else channels
        room = steps * (width + padding[1] + margin) * together * packed.itemsize // 4
    else:
        entry, read = -(-(steps + 1) // 8) * 8, min(height, read)
        room = width * (packed.shape[2] * entry + entry + 1) + 1
    images, band = _part(batch, node.shape[1], (SCRATCH // (4 * room), stride[0], reach), read, threads)
    sizes = batch, height, width, channels, *node.shape[1:], node.shape[0]
    numbers = (*sizes, *kernel, *stride, *padding, *dilation, margin, images, band)
    rows_each = images * min(read, (band - 1) * stride[0] + reach)
    return torch.tensor(numbers), rows_each, room, threads


def _part(batch: int, rows: int, reading: tuple[int, int, int], height: int, threads: int) -> tuple[int, int]:
    """Return how many images, and rows of their outputs, a thread works on at a time: whole images if there is room.

    Args:
        batch: images.
        rows: of the outputs of an image.
        reading: rows of the input that there is room for, the stride, and the rows that one output reads.
        height: rows of the input that the outputs of an image read.
        threads: that share the work.
    """
    room, stride, reach = reading
    if room >= height and batch >= threads:
        return max(1, min(room // height, batch // (2 * threads))), rows
    least = -(-rows * batch // threads)  # every thread has some rows
    return 1, max(1, min(rows, least, (room - reach) // stride + 1))


@cache
def _source(
    code: CSS,
    neurons: tuple[tuple[str, ...], tuple[str, ...], bool],
    given: torch.dtype,
    layout: tuple[int, int, bool, bool],
    others: tuple[tuple[int, ...], tuple[tuple[torch.dtype, bool], ...]],
) -> Source:
    (kind, vectors, narrow, full), (lengths, kinds), (files, macros, whole) = layout, others, neurons
    own = "if (t >= CODE.silent && t < CODE.steps) u[m] += READ_CURRENT(CURRENT, n);"
    known = enumerate(zip(lengths, kinds, strict=True), 1)
    terms = (term_macro(i, type_, str(length), weighted=w, whole=whole) for i, (length, (type_, w)) in known)
    further = (
        f"CODE=((Code){{{', '.join(map(repr, numbers_of(code)))}}})",
        "ALL_STEPS=UNROLLED",
        f"DIGITS={code.steps - code.silent}",
        f"KIND={kind}",
        f"BLOCK={NEIGHBOURS if kind >= DENSE else 1 + narrow}",
        f"TILES={kind >= DENSE and tiles():d}",
        f"INPUT={TYPES[given]}",
        f"VECTORS={vectors}",
        f"NARROW={narrow:d}",
        f"WHOLE={full:d}",
        f"TERMS={1 + len(lengths)}",
        "CURRENT=(const Current *)terms[0] + m * (NARROW ? PIXEL_STEP : VECTOR_STEP) + (t - CODE.silent) * DIGIT_STEP",
        f"ADD_TERMS={own} {' '.join(terms)}",
    )
    files += SIDE_BY_SIDE if kind == DEPTHWISE else IN_FULL if kind >= DENSE else BY_LISTS
    return Source(files, "convolve", (*macros, *further), ("-ffp-contract=fast",) if kind == 0 else ())
