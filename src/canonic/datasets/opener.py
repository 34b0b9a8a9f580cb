"""From what the user types to a data set."""

from collections.abc import Sequence
from pathlib import Path

from canonic.datasets.data import Data, Preprocessing
from canonic.datasets.digits import digits
from canonic.datasets.events import is_of_events, recordings_in
from canonic.datasets.idx import is_idx, pictures_in_idx, pictures_of_part
from canonic.datasets.npz import arrays_in_file, part_of, read
from canonic.datasets.parts import PARTS, parted
from canonic.datasets.pictures import part_of_pictures, pictures_in_folder, pictures_in_zip
from canonic.datasets.sheets import is_of_sheets, pictures_on_sheets
from canonic.datasets.sound import is_of_sound, sound_in
from canonic.datasets.spotting import spotting
from canonic.errors import DataError, nearest

KINDS = (
    "a folder, a .zip, an .npz file, an images-idx3-ubyte(.gz) file, or the word digits (or digits:train, digits:test)"
)


def open_data(name: str, prepare: Preprocessing | None = None, inputs: Sequence[str] = ()) -> Data:
    """Return a data set.

    A name may end in ``:train`` or ``:test`` for a part of it: a folder or arrays of that name, and, of an .npz file or
    a folder without parts, a fourth for the test, always the same.

    Args:
        name: "digits", "digits:train" or "digits:test"; "spotting:train" or "spotting:test", sequences that are made;
            a folder of class/picture.jpg, or of pictures without labels;
            a .zip of either; an .npz file with x (x2, ..., or the names of the network's inputs), and y for labels,
            with events (x, y, p, t, offset, label), or with sound (audio, offset, label), or a folder that holds it
            alone; a folder of IDX files such as MNIST, or its pictures (t10k-images-idx3-ubyte.gz, its labels beside
            it); or a folder of sheets of pictures.
        prepare: applied to every sample.
        inputs: the names of the network's, if they are known: arrays that have them are given by name.

    Raises:
        DataError: if there is no such data, or it cannot be read.

    >>> x, y = open_data("digits")[0]
    >>> x.shape, y
    (torch.Size([1, 8, 8]), 0)
    """
    prepare = Preprocessing() if prepare is None else prepare
    if name.partition(":")[0] == "digits":
        return digits(name, prepare)
    if name.partition(":")[0] == "spotting":
        return spotting(name, prepare)
    whole, part = parted(name)
    path = Path(whole)
    if path.is_dir():
        return _in_folder(path, part, prepare, inputs)
    if not path.exists():
        raise DataError(f"there is no data {name!r}: {_advice(name)}")
    if path.suffix == ".npz":
        return _in_arrays(path, part, prepare, inputs)
    if part:
        raise DataError(f"{path} has no part {part}: only folders and .npz files have parts; give it without :{part}")
    if path.suffix == ".zip":
        return pictures_in_zip(path, prepare)
    if is_idx(path):
        return pictures_in_idx(path, prepare)
    raise DataError(f"{name} is of no known kind: give {KINDS}")


def _advice(name: str) -> str:
    whole, _, part = name.rpartition(":")
    if not whole or not Path(whole).exists():
        return f"give {KINDS}"
    return f"{whole} is there, but has no part {part!r}: {nearest(part, PARTS)}"


def _in_folder(folder: Path, part: str, prepare: Preprocessing, inputs: Sequence[str]) -> Data:
    """Return the data in a folder, which has parts as its subfolders, its files, or its sheets; or is of one .npz."""
    held = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(held) == 1 and held[0].suffix == ".npz":
        return _in_arrays(held[0], part, prepare, inputs)
    if is_of_sheets(folder):
        return pictures_on_sheets(folder, part, prepare)
    if any(map(is_idx, held)):
        return pictures_of_part(folder, part, prepare)
    if not part:
        return pictures_in_folder(folder, prepare)
    if (folder / part).is_dir():
        return pictures_in_folder(folder / part, prepare)
    if any((folder / other).is_dir() for other in PARTS):
        raise DataError(f"{folder} has no part {part}: put its pictures into the folder {folder / part}, by class")
    return part_of_pictures(folder, part, prepare)


def _in_arrays(path: Path, part: str, prepare: Preprocessing, inputs: Sequence[str]) -> Data:
    """Return the data in an .npz file."""
    whole = read(path)
    arrays, drawn = part_of(path, whole, part)
    if is_of_events(arrays):
        return recordings_in(path, arrays, whole, drawn, prepare)
    if is_of_sound(arrays):
        return sound_in(path, arrays, drawn, prepare)
    return arrays_in_file(path, arrays, drawn, prepare, inputs)
