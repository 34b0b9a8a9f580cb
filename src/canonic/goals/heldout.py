"""Calibration data in two parts, in one reading: what a conversion is fitted to, and what it is judged on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from canonic.conversion.calibrate import require_all
from canonic.datasets.digests import Digest, digest_of
from canonic.datasets.labels import NO_LABEL
from canonic.errors import DataError
from canonic.measure.labels import required_tensor
from canonic.network.batch import parted
from canonic.network.graph import Graph
from canonic.network.inputs import checked
from canonic.network.reference import reference
from canonic.network.samples import Samples

BYTES = 2**28
"""Of the inputs of either part that are kept, at most."""

OTHERS = 768
"""Samples among those that are fitted to whose answers in the source network are known, at most."""

TOGETHER = 64
"""Samples that are judged at once."""


@dataclass(frozen=True)
class Held:
    """Samples that a conversion was not fitted to.

    Attributes:
        inputs: one batch for each input.
        labels: one for each sample; None if the data has none.
        outputs: of the source network.
        others: its outputs on samples that were fitted to.
        other_labels: of those.
        fresh: whether nothing was fitted to them; too few samples are fitted to, and judged on, all of them.
        regression: whether the labels of the data are numbers, no classes.
    """

    inputs: Sequence[Tensor]
    labels: Tensor | None
    outputs: Sequence[Tensor]
    others: Sequence[Tensor] = ()
    other_labels: Tensor | None = None
    fresh: bool = True
    regression: bool = False

    def __len__(self) -> int:
        return len(self.inputs[0])

    @property
    def labelled(self) -> "Held":
        """Those whose label is to be counted.

        Raises:
            DataError: if there are none.
        """
        if self.labels is None or self.labels.dim() != 1 or not (away := self.labels == NO_LABEL).any():
            return self
        if bool(away.all()):
            raise DataError(f"all held-out samples have the label {NO_LABEL}, which is not counted: label some")
        inputs, outputs = ([x[~away] for x in given] for given in (self.inputs, self.outputs))
        others, told = self.others, self.other_labels
        if told is not None:
            others, told = [x[told != NO_LABEL] for x in others], told[told != NO_LABEL]
        return replace(
            self, inputs=inputs, outputs=outputs, labels=self.labels[~away], others=others, other_labels=told
        )

    def parts(self) -> Iterator[Sequence[Tensor]]:
        """Yield the inputs, some samples at a time."""
        yield from _parts(self.inputs)


@dataclass
class Halved:
    """Calibration data that yields every other sample, and keeps some of both halves as it is read.

    Attributes:
        data: batches, as for ``convert``.
        graph: of the network.
        most: samples that are held out, at most.
        labels: keep labels, if there are any.
        samples: those held out so far; labels, where there are any, stand behind the inputs.
        others: some of those that it yielded, likewise.
        labelled: whether labels are kept.
        regression: whether the labels of the first batch are numbers, no classes.
        digest: of all samples that it did not yield.
    """

    data: Iterable[Any]
    graph: Graph
    most: int
    labels: bool = True
    samples: Samples | None = field(default=None, init=False)
    others: Samples | None = field(default=None, init=False)
    labelled: bool = field(default=False, init=False)
    regression: bool = field(default=False, init=False)
    digest: Digest = field(default=Digest(), init=False)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Yield the samples to fit to, batch by batch; every reading keeps anew."""
        self.samples, self.others, self.digest, seen, place = None, None, Digest(), 0, 0
        for number, batch in enumerate(self.data):
            inputs, labels = self._checked(number, batch)
            count, start = len(inputs[0]), (place + 1) % 2
            held, fitted = ([x[first::2] for x in (*inputs, *labels)] for first in (start, 1 - start))
            self.samples = _more(self.samples, number, held, self.most)
            self.others = _more(self.others, number, fitted, OTHERS)
            self.digest += digest_of(held[: len(inputs)])
            if len(fitted[0]):
                yield tuple(fitted[: len(inputs)])
            seen, place = number + 1, place + count
        require_all(self.data, seen)

    def _checked(self, number: int, batch: object) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Return the inputs of a batch, and its labels if they are wanted and the first had any."""
        where = f"calibration batch {number}"
        given = parted(batch, self.graph.inputs, where)
        inputs, labels = checked(self.graph, given.inputs, where), given.labels
        fits = isinstance(labels, Tensor) and labels.shape[:1] == inputs[0].shape[:1]
        if number == 0:
            self.labelled = fits and self.labels
            self.regression = isinstance(labels, Tensor) and fits and labels.is_floating_point()
        if number == 0 and self.labels and given.labels is not None and not fits:
            required_tensor(labels, len(inputs[0]))
        if self.labelled and not fits:
            raise DataError(f"{where} has no labels, and the first has: give all of them labels, or none")
        return inputs, [labels] if self.labelled and isinstance(labels, Tensor) else []

    def held(self) -> Held:
        """Return the samples to judge on: those held out, or those that were fitted to where there are none."""
        others = self.others
        if others is None:
            raise DataError("the calibration data is empty: pass at least one batch of inputs")
        held = self.samples or others
        inputs, labels = self._apart(held)
        other_inputs, other_labels = self._apart(others) if self.samples else ([x[:0] for x in inputs], None)
        given = [torch.cat(pair) for pair in zip(inputs, other_inputs, strict=True)]
        with torch.no_grad():
            parts = [reference(self.graph, part) for part in _parts(given)]
        outputs, count = [torch.cat(pieces) for pieces in zip(*parts, strict=True)], len(inputs[0])
        fresh = self.samples is not None
        own, more = [x[:count] for x in outputs], [x[count:] for x in outputs]
        return Held(inputs, labels, own, more, other_labels, fresh, self.regression)

    def _apart(self, samples: Samples) -> tuple[Sequence[Tensor], Tensor | None]:
        """Return the inputs of samples, and their labels."""
        return (samples.inputs[:-1], samples.inputs[-1]) if self.labelled else (samples.inputs, None)


def _more(samples: Samples | None, number: int, parts: Sequence[Tensor], most: int) -> Samples | None:
    """Return samples and those of another batch."""
    if not len(parts[0]):
        return samples
    size = sum(x[0].numel() * x.element_size() for x in parts)
    return (samples or Samples(len(parts[0]), max(1, min(most, BYTES // size)))).add(number, parts)


def _parts(inputs: Sequence[Tensor]) -> Iterator[Sequence[Tensor]]:
    yield from zip(*(torch.split(x, TOGETHER) for x in inputs), strict=True)


def spaced(inputs: Sequence[Tensor], most: int) -> tuple[Tensor, ...]:
    """Return some samples, evenly spaced, so many at most.

    >>> spaced([torch.arange(6)], 3)[0].tolist()
    [0, 2, 4]
    """
    stride = -(-len(inputs[0]) // most)
    return tuple(x[::stride] for x in inputs)
