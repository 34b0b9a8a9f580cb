"""The package that reads and writes HDF5, which files of NIR are, and lists of events can be."""

from typing import Any

from canonic.errors import ExportError


def require_hdf5() -> Any:
    """Return the package h5py.

    Raises:
        ExportError: if it is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise ExportError("HDF5 needs the package h5py, which is not installed: pip install 'canonic[nir]'") from None
    return h5py
