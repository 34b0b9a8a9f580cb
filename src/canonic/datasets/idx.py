"""The IDX format: how MNIST and the data sets made after it are published, one file of pictures, one of labels."""

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from canonic.datasets.arrays import Arrays
from canonic.datasets.data import Preprocessing
from canonic.datasets.labels import Labels
from canonic.datasets.parts import TESTS, require_part
from canonic.errors import DataError

UINT8 = 8
NAME = re.compile(r"[-.]idx\d-ubyte(\.gz)?$")


def is_idx(path: Path) -> bool:
    """Whether this is the name of an IDX file, compressed or not.

    >>> is_idx(Path("t10k-images-idx3-ubyte.gz")), is_idx(Path("train-labels.idx1-ubyte")), is_idx(Path("a.npz"))
    (True, True, False)
    """
    return NAME.search(path.name) is not None


def pictures_in_idx(path: Path, prepare: Preprocessing) -> Arrays:
    """Return the pictures in an IDX file, labelled by the file beside it, if any, with labels in its name for images.

    Raises:
        DataError: if one of the two is damaged, or they do not belong together.
    """
    names = _labels_beside(path)
    x = _array(path, 3)
    labels = next((file for file in names if file.exists()), None)
    if labels is None:
        return Arrays([x], Labels(advice=f"put {names[1].name}, or {names[0].name}, beside it"), prepare)
    y = _array(labels, 1)
    if len(x) != len(y):
        raise DataError(
            f"{path} holds {len(x)} pictures, but {labels.name} beside it holds {len(y)} labels: "
            "put the two files of one data set side by side"
        )
    return Arrays([x], Labels(values=y), prepare)


def pictures_of_part(folder: Path, part: str, prepare: Preprocessing) -> Arrays:
    """Return the pictures of a part of the IDX files in a folder, such as train-images and t10k-images.

    Raises:
        DataError: if it is not said which part, there is none, or it is damaged.
    """
    require_part(folder, part)
    heads = ("train",) if part == "train" else TESTS
    found = [
        path for path in folder.iterdir() if is_idx(path) and "images" in path.name and path.name.startswith(heads)
    ]
    if not found:
        raise DataError(f"{folder} lacks the pictures of {part}: a file {heads[0]}-images-idx3-ubyte(.gz)")
    return pictures_in_idx(min(found), prepare)


def _labels_beside(path: Path) -> tuple[Path, Path]:
    """Return the names that the file of labels may have: compressed, or not."""
    if "images" not in path.name or "idx3" not in path.name:
        raise DataError(f"{path} is no file of pictures by its name: give the one called ...images-idx3-ubyte(.gz)")
    name = path.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    return path.with_name(f"{name}.gz"), path.with_name(name)


def _array(path: Path, dimensions: int) -> NDArray[np.uint8]:
    content = _content(path)
    size = 4 + 4 * dimensions
    magic, expected = content[:4], bytes([0, 0, UINT8, dimensions])
    if magic != expected:
        raise DataError(
            f"{path} is no IDX file of {dimensions} dimensions of bytes: it begins with {magic.hex(' ') or 'nothing'} "
            f"instead of {expected.hex(' ')}; get it again"
        )
    if len(content) < size:
        raise DataError(f"{path} is damaged: its header ends after {len(content)} of {size} bytes; get it again")
    shape = [int.from_bytes(content[at : at + 4]) for at in range(4, size, 4)]
    if len(content) != size + math.prod(shape):
        raise DataError(
            f"{path} is damaged: {'x'.join(map(str, shape))} bytes are announced, "
            f"{len(content) - size} follow; get it again"
        )
    return np.frombuffer(content, np.uint8, offset=size).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path} ({error}): get it again") from None
