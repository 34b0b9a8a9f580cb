"""Arrays of samples in memory; numbers keep their type, and bytes are pictures."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from canonic.datasets.data import Preprocessing
from canonic.datasets.labels import Labels, Sample
from canonic.errors import DataError

CHANNELS = (1, 3)
"""Numbers of channels that tell where a picture has them."""

Array = NDArray[np.generic]


class Arrays(Dataset[Sample]):
    """Samples in memory.

    Args:
        inputs: an array for each input of the network, in their order or by name: floating point ``[samples, *shape]``;
            uint8 pictures ``[samples, height, width(, channels)]``, scaled to [0, 1]; or whole numbers and conditions
            ``[samples, *shape]``, which stay what they are. Four axes of uint8 are
            ``[samples, channels, height, width]`` where there are 1 or 3 channels and the width is neither.
        labels: of the samples.
        prepare: applied to each sample of floating point.
        notes: what was made of the arrays that the user did not ask for.

    Raises:
        DataError: if there is preprocessing, but nothing that it is for.
    """

    def __init__(
        self,
        inputs: Sequence[Array] | Mapping[str, Array],
        labels: Labels,
        prepare: Preprocessing,
        notes: Sequence[str] = (),
    ) -> None:
        self.inputs, self.labels, self.prepare, self.notes = inputs, labels, prepare, tuple(notes)
        kinds = {x.dtype for x in (inputs.values() if isinstance(inputs, Mapping) else inputs)}
        if prepare and not any(kind == np.uint8 or kind.kind == "f" for kind in kinds):
            named = " and ".join(sorted(map(str, kinds)))
            raise DataError(
                f"samples of {named} cannot be resized or normalised: make floating point of them, "
                "x.astype(numpy.float32), or leave out mean, std, size and grey"
            )

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values() if isinstance(self.inputs, Mapping) else self.inputs)))

    def __getitem__(self, index: int) -> Sample:
        if isinstance(self.inputs, Mapping):
            return ({name: self._ready(np.asarray(x[index])) for name, x in self.inputs.items()}, *self.labels[index])
        return (*(self._ready(np.asarray(x[index])) for x in self.inputs), *self.labels[index])

    def _ready(self, x: Array) -> Tensor:
        ready = _sample(x)
        return self.prepare(ready) if ready.is_floating_point() else ready


def _sample(x: Array) -> Tensor:
    if x.dtype == np.uint8:
        return _picture(torch.from_numpy(np.array(x, dtype=np.float32)) / 255)
    return torch.from_numpy(np.array(x, dtype=np.float32 if x.dtype.kind == "f" else x.dtype))


def _picture(picture: Tensor) -> Tensor:
    if picture.dim() == 2:
        return picture[None]
    channels_first = picture.shape[0] in CHANNELS and picture.shape[2] not in CHANNELS
    return picture if channels_first else picture.permute(2, 0, 1)
