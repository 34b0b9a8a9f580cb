"""Pictures in folders named after their class, on disk or in a zip file."""

import copy
import io
import re
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from canonic.datasets.data import Preprocessing
from canonic.datasets.labels import Labels, Sample
from canonic.datasets.parts import drawn_part, said_of_part
from canonic.errors import DataError, either

if TYPE_CHECKING:
    from PIL import Image

HERE = PurePosixPath(".")

ADVICE = "put each of its pictures into a folder that has the name of its class"

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


class Pictures(Dataset[Sample]):
    """Pictures by name; the class of each is its folder, numbered in alphabetical order.

    Args:
        source: what to say in errors.
        names: of the pictures, such as "test/cat/17.jpg"; hidden ones are left out.
        read: returns the bytes of a picture.
        prepare: applied to each picture.

    Raises:
        DataError: if there are none, or their folders are no classes.
    """

    def __init__(self, source: str, names: Sequence[str], read: Callable[[str], bytes], prepare: Preprocessing) -> None:
        self.names = sorted(filter(_is_picture, names))
        if not self.names:
            raise DataError(
                f"{source} holds no pictures: expected class/picture.jpg (or with {either(sorted(SUFFIXES))})"
            )
        self.source, self.read, self.prepare = source, read, prepare
        self.labels = Labels(_classes(source, self.names), advice=ADVICE)
        self.notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return (self.prepare(self._picture(self.names[index])), *self.labels[index])

    def _picture(self, name: str) -> Tensor:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self.read(name))) as picture:
                return _scaled(picture)
        except (OSError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
            reason = re.sub(r" <.*>$", "", str(error))  # Pillow adds the address of a buffer
            raise DataError(
                f"cannot read the picture {name} in {self.source}: {reason}; replace or remove it"
            ) from error


def _scaled(picture: "Image.Image") -> Tensor:
    """Return the pixels of a picture, ``[3, height, width]`` in [0, 1].

    Raises:
        ValueError: if they have no range.
    """
    if picture.mode in ("I", "F"):
        raise ValueError(f"its pixels are 32-bit numbers (mode {picture.mode}), whose range is not known")
    if picture.mode.startswith("I;16"):  # which convert("RGB") would cut off at 255
        return torch.from_numpy(np.asarray(picture, dtype=np.float32)).expand(3, -1, -1) / (2**16 - 1)
    return torch.from_numpy(np.asarray(picture.convert("RGB"), dtype=np.float32)).permute(2, 0, 1) / 255


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def _classes(source: str, names: Sequence[str]) -> list[str]:
    """Return the class of each picture, the name of its folder; none if all lie side by side.

    Raises:
        DataError: if some lie in a folder and others in one above, or the folders of the classes in several.
    """
    folders = [PurePosixPath(name).parent for name in names]
    above = sorted({folder.parent for folder in folders})
    if set(folders) == {HERE}:
        return []
    if HERE in folders:
        raise DataError(
            f"{source} holds pictures beside its class folders ({names[folders.index(HERE)]}): move each into the "
            "folder of its class"
        )
    if len(above) > 1:
        first = next(folder for folder in folders if folder.parent == above[0])
        last = next(folder for folder in folders if folder.parent == above[-1])
        raise DataError(
            f"{source} holds class folders at several places ({first}, {last} ...): give those of one part, as "
            f"{above[-1]} in it, or move each picture into class/picture.jpg"
        )
    return [folder.name for folder in folders]


def pictures_in_folder(folder: Path, prepare: Preprocessing) -> Pictures:
    """Return the pictures below a folder; raise a DataError if there are none, or their folders are no classes."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return Pictures(str(folder), names, lambda name: (folder / name).read_bytes(), prepare)


def part_of_pictures(folder: Path, part: str, prepare: Preprocessing) -> Pictures:
    """Return a part of the pictures below a folder that has no parts of its own; raise a DataError if it is empty."""
    whole = pictures_in_folder(folder, prepare)
    places = drawn_part(part, whole.labels.named or [""] * len(whole))
    found = copy.copy(whole)
    found.names, found.labels = [whole.names[place] for place in places], whole.labels.at(places)
    found.notes = (said_of_part(folder, part, len(found), len(whole)),)
    return found


def pictures_in_zip(path: Path, prepare: Preprocessing) -> Pictures:
    """Return the pictures in a zip file.

    Raises:
        DataError: if the file is damaged, holds none, or their folders are no classes.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is no zip file, or it is damaged ({error}): copy it again") from None
    lock = threading.Lock()

    def read(name: str) -> bytes:
        with lock:
            return archive.read(name)

    return Pictures(str(path), archive.namelist(), read, prepare)
