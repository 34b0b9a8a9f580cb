"""NIR, the Neuromorphic Intermediate Representation (Pedersen et al., Nature Communications 2024), written and read.

What NIR has a node for is that node. What it has none for, populations in codes such as CSS, maxima of streams, and how
an answer is read, stands in the metadata of the nodes under one key, which docs/tasks/export.md defines.
"""

from canonic.export.nir.file import load_nir, save_nir
from canonic.export.nir.foreign import from_nir
from canonic.export.nir.graph import to_nir

__all__ = ["from_nir", "load_nir", "save_nir", "to_nir"]
