"""Pictures in folders named after their class, on disk or in a zip file."""

import io
import re
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from canonic.datasets.data import Preprocessing, Sample
from canonic.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


class Pictures(Dataset[Sample]):
    """Pictures by name; the class of each is its folder, numbered in alphabetical order.

    Args:
        source: what to say in errors.
        names: of the pictures, such as "test/cat/17.jpg".
        read: returns the bytes of a picture.
        prepare: applied to each picture.
    """

    def __init__(self, source: str, names: Sequence[str], read: Callable[[str], bytes], prepare: Preprocessing) -> None:
        self.names = sorted(name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES)
        if not self.names:
            raise DataError(
                f"{source} holds no pictures: expected class/picture.jpg (or {', '.join(sorted(SUFFIXES))})"
            )
        self.source, self.read, self.prepare = source, read, prepare
        self.classes = sorted({PurePosixPath(name).parent.name for name in self.names})
        self.labels = [self.classes.index(PurePosixPath(name).parent.name) for name in self.names]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.prepare(self._picture(self.names[index])), self.labels[index]

    def _picture(self, name: str) -> Tensor:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self.read(name))) as picture:
                pixels = np.asarray(picture.convert("RGB"), dtype=np.float32)
        except (OSError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
            reason = re.sub(r" <.*>$", "", str(error))  # Pillow adds the address of a buffer
            raise DataError(
                f"cannot read the picture {name} in {self.source}: {reason}; replace or remove it"
            ) from error
        return torch.from_numpy(pixels).permute(2, 0, 1) / 255


def pictures_in_folder(folder: Path, prepare: Preprocessing) -> Pictures:
    """Return the pictures below a folder."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return Pictures(str(folder), names, lambda name: (folder / name).read_bytes(), prepare)


def pictures_in_zip(path: Path, prepare: Preprocessing) -> Pictures:
    """Return the pictures in a zip file.

    Raises:
        DataError: if the file is damaged.
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
