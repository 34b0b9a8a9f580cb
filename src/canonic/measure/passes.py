"""One pass over data: the measures of its batches, added up, of all processes."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import replace
from functools import partial, reduce
from operator import add

from torch import Tensor

from canonic.cluster import Workers
from canonic.datasets.labels import NO_LABEL
from canonic.errors import DataError, first_line
from canonic.measure.result import Evaluation
from canonic.network.batch import parted
from canonic.progress import track
from canonic.words import counted

Measure = Callable[[object, bool], Evaluation]
"""The measures of a batch, and whether it is one that baselines are measured on too."""


def pass_over(
    measure: Measure, group: Workers, data: Iterable[object], stride: int = 0, *, progress: bool = True
) -> Evaluation:
    """Return the measures of all batches, of which each process takes a share.

    Raises:
        DataError: if there is none, or no label counts.
        ClusterError: if another process was lost.
    """
    parts = group.together(partial(_measured, measure, group, group.share(data), stride, progress=progress))
    found = [part for part in parts if part is not None]
    if not found:
        raise DataError("the evaluation data is empty: pass at least one batch, (x, y) or (x,)")
    total = reduce(add, found)
    if total.counts.answers and not total.counts.answers.labels:
        raise DataError(f"all labels of the data are {NO_LABEL}, which is not counted: give classes from 0 on")
    return total


def _measured(
    measure: Measure, group: Workers, data: Iterable[object], stride: int, *, progress: bool
) -> Evaluation | None:
    """Return the measures of this process's batches; None if it has none."""
    total: Evaluation | None = None
    count, gap = 0, ""
    try:
        for batch in _read(track(data, "evaluate", shown=progress and group.first)):
            chosen = stride > 0 and (count * group.world + group.rank) % stride == 0
            part = measure(batch, chosen)
            total, count = part if total is None else total + part, count + 1
    except (KeyboardInterrupt, _Unreadable) as error:
        if total is None:
            raise error.__cause__ or error from None
        gap = f"{str(error) or 'interrupted'} after {counted(total.samples, 'sample')}"
    if total is not None and not gap and isinstance(data, Sized) and count < len(data):
        gap = f"the data ended after {count} of {counted(len(data), 'batch', 'batches')}"
    return None if total is None else replace(total, gap=gap)


class _Unreadable(Exception):
    """Raised when the data fails, not the measuring."""


def _read(batches: Iterable[object]) -> Iterator[object]:
    try:
        yield from batches
    except Exception as error:
        raise _Unreadable(f"the data failed ({type(error).__name__}: {first_line(error)})") from error


def stride_of(data: object, samples: int, names: Sequence[str]) -> int:
    """Return the distance between the batches on which baselines are measured; 0 for none, 1 if lengths are unknown."""
    if samples < 1 or not isinstance(data, Sized):
        return int(samples > 0)
    size = getattr(data, "batch_size", None) or 1
    if isinstance(data, list | tuple) and data:
        first = parted(data[0], names, "a batch of the evaluation data").inputs[0]
        size = len(first) if isinstance(first, Tensor) and first.dim() else 1
    return max(1, len(data) // -(-samples // size))
