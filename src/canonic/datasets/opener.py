"""From what the user types to a data set."""

from collections.abc import Sequence
from pathlib import Path

from canonic.datasets.data import Data, Preprocessing
from canonic.datasets.digits import digits
from canonic.datasets.idx import is_idx, pictures_in_idx
from canonic.datasets.npz import arrays_in_file
from canonic.datasets.pictures import pictures_in_folder, pictures_in_zip
from canonic.errors import DataError

KINDS = (
    "a folder, a .zip, an .npz file, an images-idx3-ubyte(.gz) file, or the word digits (or digits:train, digits:test)"
)


def open_data(name: str, prepare: Preprocessing | None = None, inputs: Sequence[str] = ()) -> Data:
    """Return a data set.

    Args:
        name: "digits", "digits:train" or "digits:test"; a folder of class/picture.jpg, or of pictures without labels;
            a .zip of either; an .npz file with x (x2, ..., or the names of the network's inputs), and y for labels; or
            the pictures of an IDX data set such as MNIST (t10k-images-idx3-ubyte.gz, its labels beside it).
        prepare: applied to every sample.
        inputs: the names of the network's, if they are known: arrays that have them are given by name.

    Raises:
        DataError: if there is no such data, or it cannot be read.

    >>> x, y = open_data("digits")[0]
    >>> x.shape, y
    (torch.Size([1, 8, 8]), 0)
    """
    prepare = prepare or Preprocessing()
    if name.partition(":")[0] == "digits":
        return digits(name, prepare)
    path = Path(name)
    if path.is_dir():
        return pictures_in_folder(path, prepare)
    if not path.exists():
        raise DataError(f"there is no data {name!r}: give {KINDS}")
    if path.suffix == ".npz":
        return arrays_in_file(path, prepare, inputs)
    if path.suffix == ".zip":
        return pictures_in_zip(path, prepare)
    if is_idx(path):
        return pictures_in_idx(path, prepare)
    raise DataError(f"{name} is of no known kind: give {KINDS}")
