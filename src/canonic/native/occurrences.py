"""How often numbers are not zero in a batch, in C: torch would write each comparison down before it is added up."""

from ctypes import c_int64

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from canonic.native.build import Source, program
from canonic.native.population import place

SOURCE = Source(("occurrences.c",), "occurrences")
FEW = 65536
"""Numbers that another thread is worth."""


def occurrences(values: Shaped[Tensor, "batch size"]) -> Float[Tensor, " size"] | None:
    """Return the counts of each element; None of what is not contiguous, in float32 and on a processor, or without a C
    compiler.
    """
    plain = values.dtype == torch.float32 and values.device.type == "cpu" and values.is_contiguous()
    run = program(SOURCE) if plain and not torch.compiler.is_compiling() else None
    if run is None:
        return None
    counts = torch.empty(values.shape[1], dtype=torch.float32)
    threads = min(torch.get_num_threads(), 1 + values.numel() // FEW)
    run(place(values), place(counts), *map(c_int64, values.shape), threads)
    return counts
