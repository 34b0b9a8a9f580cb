"""Files of NIR: HDF5, written whole or not at all."""

import io
from os import PathLike
from pathlib import Path

from canonic.export.nir.graph import to_nir
from canonic.export.nir.key import require_package
from canonic.network import SpikingNetwork
from canonic.network.storage import write_whole


def save_nir(snn: SpikingNetwork, path: str | PathLike[str]) -> None:
    """Write a network as a file of NIR.

    Raises:
        ExportError: if NIR cannot hold it; the message names all nodes.
        StorageError: if the file cannot be written.
    """
    graph, content = to_nir(snn), io.BytesIO()
    require_package().write(content, graph)
    write_whole(Path(path), content.getvalue())
