"""From what the user types to a data set."""

from pathlib import Path

from canonic.datasets.arrays import arrays_in_file, digits
from canonic.datasets.data import Data, Preprocessing
from canonic.datasets.pictures import pictures_in_folder, pictures_in_zip
from canonic.errors import DataError


def open_data(name: str, prepare: Preprocessing | None = None) -> Data:
    """Return a data set.

    Args:
        name: "digits", a folder of class/picture.jpg, a .zip of the same, or an .npz file with x and y.
        prepare: applied to every sample.

    Raises:
        DataError: if there is no such data, or it cannot be read.

    >>> x, y = open_data("digits")[0]
    >>> x.shape, y
    (torch.Size([1, 8, 8]), 0)
    """
    prepare = prepare or Preprocessing()
    if name == "digits":
        return digits(prepare)
    path = Path(name)
    if path.is_dir():
        return pictures_in_folder(path, prepare)
    if not path.exists():
        raise DataError(f"there is no data {name!r}: give a folder, a .zip, an .npz file, or the word digits")
    if path.suffix == ".npz":
        return arrays_in_file(path, prepare)
    if path.suffix == ".zip":
        return pictures_in_zip(path, prepare)
    raise DataError(f"{name} is of no known kind: give a folder, a .zip, an .npz file, or the word digits")
