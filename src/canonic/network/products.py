"""How convolutions of spikes multiply: the kinds of products, which a processor has, and weights as they read them."""

import ctypes
import logging
import platform
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from canonic.codes import CSS
from canonic.native.build import features
from canonic.network.graph import Node
from canonic.network.kernels import geometry

log = logging.getLogger("canonic")

LANES = 16
SUMS, FEW_SUMS = 28, 7
"""Vectors of sums that registers hold, beside the weights and digits that are multiplied: 32 registers, or 16 of half
the width."""
DENSE, HALF, DEPTHWISE = 3, 4, 5
"""The kinds of dense products, of 8 bits and of bfloat16 (dense.c), and those of a channel with its own weights
(depthwise.c); those before go by lists (lists.c)."""
WEIGHTS = (torch.float32, torch.bfloat16, torch.uint8, torch.int8, torch.int16, torch.uint16)
"""What weights are held in, by the kind of products: int16 are the bits of bfloat16, uint16 those of int16."""
FEATURES: tuple[set[str], ...] = (
    set(),
    {"avx512_bf16", "avx512bw", "avx512vl"},
    {"avx512_vnni", "avx512bw", "avx512vl"},
    {"avx512_vnni", "avx512bw", "avx512vl"},
)
"""What a processor must have for them."""
TILES = {"amx_tile", "amx_int8", "amx_bf16"}
"""What it has that multiplies whole tiles."""
NARROW = 16
"""Outputs up to which products without tiles are faster of all ternary digits than by lists (measured)."""
LARGEST_SHORT = 2**15 - 1
LARGEST_DIGIT = 127
"""What digits of the fast kinds hold, and the sum of the first k + 1 as one digit."""


def prepared(node: Node, code: CSS, levels: int) -> Node:
    """Return the convolution with its weights as the program reads them, its bias and its units for each channel.

    Args:
        node: the convolution.
        code: of the population behind it.
        levels: the largest digit of the spikes that it reads.
    """
    weight, kind = node.tensors["weight"], kind_of(node, code, levels)
    integers = kind in (2, DENSE, DEPTHWISE)
    unit = node.tensors["unit"] if integers else torch.ones(1)
    tile = LANES * _width(-(-len(weight) // LANES), code.steps - code.silent, kind)
    missing = -len(weight) % tile
    bias = node.tensors.get("bias", torch.zeros(1)) * code.beta**code.silent
    whole = {name: v.float().reshape(-1).expand(len(weight)) for name, v in {"unit": unit, "bias": bias}.items()}
    whole = {name: pad(v, (0, missing)) for name, v in whole.items()}
    numbers = (weight / unit.reshape(-1, 1, 1, 1)).round() if integers else weight
    numbers, neighbours = pad(numbers, (0, 0, 0, 0, 0, 0, 0, missing)), geometry(node)[2][1] == 1
    if kind == DEPTHWISE:
        ready = _side_by_side(numbers, tile)
    else:
        ready = _in_runs(numbers, kind, tile, together=neighbours) if kind >= DENSE else _packed(numbers, kind, tile)
    return node.with_tensors(program=ready, **{f"program {name}": v for name, v in whole.items()})


def kind_of(node: Node, code: CSS, levels: int) -> int:
    """Return the fastest kind of products for the weights; float32 holds them all."""
    weight, known = node.tensors["weight"], set(features().split())
    if depthwise(node):
        return DEPTHWISE if _short(node, code, levels) and FEATURES[2] <= known else 0
    kind = 2 if "unit" in node.tensors else int(weight.dtype == torch.bfloat16)
    if weight.shape[1] % 2**kind or not FEATURES[kind] <= known:
        return 0
    if kind and (reason := _unfit(code, levels)) is not None:
        _said(reason)
        return 0
    if kind and tiles():
        return HALF if kind == 1 else DENSE
    return DENSE if kind == 2 and (levels > 1 or len(weight) <= NARROW) else kind


def depthwise(node: Node) -> bool:
    """Whether each output channel of a convolution reads one input channel, its own."""
    return node.tensors["weight"].shape[1] == 1 and geometry(node)[3] == len(node.tensors["weight"]) > 1


def _short(node: Node, code: CSS, levels: int) -> bool:
    """Whether 16 bits hold the sums of each digit of a depthwise convolution in whole numbers."""
    if "unit" not in node.tensors or _unfit(code, levels) is not None:
        return False
    digit = levels * sum(code.beta**i for i in range(code.silent + 1))
    whole = node.tensors["weight"] / node.tensors["unit"].reshape(-1, 1, 1, 1)
    return float(whole.abs().sum((1, 2, 3)).max()) * digit <= LARGEST_SHORT


def tiles() -> bool:
    """Whether the processor multiplies tiles, and Linux lets this process."""
    return set(features().split()) >= TILES and _allowed()


@cache
def _allowed() -> bool:
    """Ask Linux for the registers of tiles, which are too large for a process that has not."""
    request, tile_data = 0x1023, 18  # ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    return bool(ctypes.CDLL(None).syscall(158, request, tile_data) == 0)  # arch_prctl


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


def _width(vectors: int, digits: int, kind: int) -> int:
    """Return how many vectors of output channels are computed at once: a divisor of their number.

    Dense products take them one after the other; two are for the neurons, which hide each other's latency.
    Of numbers of 16 bits two are one vector.
    """
    if kind == DEPTHWISE:
        return 2
    if kind >= DENSE:
        return 2 - vectors % 2
    most = SUMS if "avx512f" in features().split() else FEW_SUMS
    return max(n for n in (1, 2, 3, 4) if vectors % n == 0 and (n == 1 or n * digits <= most))


def _packed(weight: Tensor, kind: int, tile: int) -> Tensor:
    """Return weights as ``[tiles, taps, groups, tile, group]``, those of int8 with 128 added."""
    group, (outputs, channels) = 2**kind, weight.shape[:2]
    shifted = weight + 128 if kind == 2 else weight
    taps = shifted.movedim((0, 1), (3, 2)).reshape(-1, channels // group, group, outputs // tile, tile)
    return taps.permute(3, 0, 1, 4, 2).contiguous().to(WEIGHTS[kind])


def _side_by_side(weight: Tensor, tile: int) -> Tensor:
    """Return depthwise weights as ``[tiles, taps, tile]`` of depthwise.c."""
    taps = weight.flatten(1).t().reshape(-1, len(weight) // tile, tile)
    return taps.movedim(1, 0).contiguous().to(torch.int16).view(torch.uint16)


def _in_runs(weight: Tensor, kind: int, tile: int, *, together: bool) -> Tensor:
    """Return weights as ``[tiles, vectors, 1 + runs, LANES, 32 bits]`` of dense.c.

    Args:
        weight: of the convolution.
        kind: of the products.
        tile: outputs of a tile.
        together: whether the taps of a row of the kernel are neighbours: they are one run then, each its own if not.
    """
    outputs, _, height, width = weight.shape
    vectors, runs, half = outputs // LANES, height if together else height * width, kind == HALF
    numbers = weight.bfloat16().view(torch.int16) if half else weight.to(torch.int8)
    begin = torch.zeros(outputs, dtype=torch.int32) if half else (-128 * weight.long().sum((1, 2, 3))).int()
    group = 4 // numbers.itemsize
    rows = numbers.permute(0, 2, 3, 1).reshape(vectors, LANES, runs, -1)
    rows = pad(rows, (0, -rows.shape[-1] % (16 * group))).reshape(vectors, LANES, -1, group).transpose(1, 2)
    whole = torch.cat([begin.view(numbers.dtype).view(vectors, 1, LANES, group), rows], 1)
    return whole.reshape(-1, tile // LANES, *whole.shape[1:]).contiguous()
