"""Calibration data in two parts, in one reading: what a conversion is fitted to, and what it is judged on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from canonic.conversion.calibrate import require_all
from canonic.errors import DataError
from canonic.network.batch import parted
from canonic.network.graph import Graph
from canonic.network.inputs import checked
from canonic.network.reference import reference
from canonic.network.samples import Samples

BYTES = 2**28
"""Of the inputs that are held out, at most."""

TOGETHER = 64
"""Samples that are judged at once."""


@dataclass(frozen=True)
class Held:
    """Samples that a conversion was not fitted to.

    Attributes:
        inputs: one batch for each input.
        labels: one for each sample; None if the data has none.
        outputs: of the source network.
        fresh: whether nothing was fitted to them; too few samples are fitted to, and judged on, all of them.
    """

    inputs: Sequence[Tensor]
    labels: Tensor | None
    outputs: Sequence[Tensor]
    fresh: bool = True

    def __len__(self) -> int:
        return len(self.inputs[0])

    def parts(self) -> Iterator[Sequence[Tensor]]:
        """Yield the inputs, some samples at a time."""
        yield from zip(*(torch.split(x, TOGETHER) for x in self.inputs), strict=True)


@dataclass
class Halved:
    """Calibration data that yields every other sample, and keeps some of the others as it is read.

    Attributes:
        data: batches, as for ``convert``.
        graph: of the network.
        most: samples that are kept, at most.
        samples: those kept so far; labels, where there are any, stand behind the inputs.
        labelled: whether they do.
    """

    data: Iterable[Any]
    graph: Graph
    most: int
    samples: Samples | None = field(default=None, init=False)
    labelled: bool = field(default=False, init=False)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield the samples to fit to, batch by batch; every reading keeps anew."""
        self.samples, seen, place = None, 0, 0
        for number, batch in enumerate(self.data):
            inputs, labels = self._checked(number, batch)
            count, start = len(inputs[0]), (place + 1) % 2
            self._keep(number, [x[start::2] for x in (*inputs, *labels)])
            fitting = tuple(x[1 - start :: 2] for x in inputs)
            if len(fitting[0]):
                yield fitting
            seen, place = number + 1, place + count
        require_all(self.data, seen)

    def _checked(self, number: int, batch: object) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Return the inputs of a batch, and its labels if those of the first had any."""
        where = f"calibration batch {number}"
        given = parted(batch, self.graph.inputs, where)
        inputs, labels = checked(self.graph, given.inputs, where), given.labels
        fits = isinstance(labels, Tensor) and labels.shape[:1] == inputs[0].shape[:1]
        if number == 0:
            self.labelled = fits
        if self.labelled and not fits:
            raise DataError(f"{where} has no labels, and the first has: give all of them labels, or none")
        return inputs, [labels] if self.labelled and isinstance(labels, Tensor) else []

    def _keep(self, number: int, parts: Sequence[Tensor]) -> None:
        if not len(parts[0]):
            return
        size = sum(x[0].numel() * x.element_size() for x in parts)
        before = self.samples or Samples(len(parts[0]), max(1, min(self.most, BYTES // size)))
        self.samples = before.add(number, parts)

    def held(self, kept: Sequence[Tensor]) -> Held:
        """Return the samples to judge on: those kept, or what calibration has kept where there are none."""
        found = list(self.samples.inputs) if self.samples else list(kept)
        labels = found.pop() if self.samples and self.labelled else None
        with torch.no_grad():
            parts = [
                reference(self.graph, part) for part in zip(*(torch.split(x, TOGETHER) for x in found), strict=True)
            ]
        outputs = [torch.cat(pieces) for pieces in zip(*parts, strict=True)]
        return Held(found, labels, outputs, fresh=self.samples is not None)


def spaced(inputs: Sequence[Tensor], most: int) -> tuple[Tensor, ...]:
    """Return some samples, evenly spaced, so many at most.

    >>> spaced([torch.arange(6)], 3)[0].tolist()
    [0, 2, 4]
    """
    stride = -(-len(inputs[0]) // most)
    return tuple(x[::stride] for x in inputs)
