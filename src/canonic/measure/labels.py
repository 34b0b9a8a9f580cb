"""What a network should answer: the labels of a batch as classes or targets of the output that is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from canonic.datasets.labels import NO_LABEL
from canonic.errors import DataError
from canonic.network.batch import described, remedy

Task = Literal["classification", "regression", "comparison", "activity"]
"""What an evaluation measures: right answers, errors against targets, without labels the distance to the source
network, and without that too what the network does: its spikes and what they cost."""


@dataclass(frozen=True)
class Classes:
    """The classes of a batch: one for each answer of an output.

    Attributes:
        y: of each answer that counts.
        counted: which of the labels count, ``[batch, ...]``.
        axis: of the output that holds the classes, counted from its end: -1 of ``[batch, classes]``.
    """

    y: Int[Tensor, " answers"]
    counted: Bool[Tensor, "batch ..."]
    axis: int

    def scores(self, output: Float[Tensor, "..."]) -> Float[Tensor, "... answers classes"]:
        """Return the scores of each answer that counts, of an output or of one after every step."""
        return output.movedim(self.axis, -1)[..., self.counted, :]


@dataclass(frozen=True)
class Asked:
    """What is asked of an output: its classes, its targets, or, without labels, what the source network answers.

    Attributes:
        classes: that it should tell.
        target: that it should be.
    """

    classes: Classes | None = None
    target: Float[Tensor, "batch ..."] | None = None

    @property
    def task(self) -> Task:
        """What is measured beside a source network."""
        if self.classes is not None:
            return "classification"
        return "comparison" if self.target is None else "regression"

    def classifies(self, source: Float[Tensor, "batch ..."]) -> bool:
        """Tell whether an output has answers to compare: by its labels, or, without them, if it is a row of scores."""
        return self.classes is not None or (self.target is None and source.dim() == 2 and source.shape[1] > 1)

    def scores(self, output: Float[Tensor, "..."]) -> Float[Tensor, "... answers classes"]:
        """Return the scores of each answer, of an output or of one after every step."""
        return output if self.classes is None else self.classes.scores(output)


def asked_of(labels: object, output: Float[Tensor, "batch ..."]) -> Asked:
    """Return what the labels of a batch ask of an output.

    Raises:
        DataError: if they do not fit it.
    """
    y = required_tensor(labels, len(output))
    return Asked(target=targets_of(y, output)) if y.is_floating_point() else Asked(classes_of(y, output))


def timed(
    readout: Float[Tensor, "steps batch classes"], labels: object
) -> Float[Tensor, "steps batch classes"] | Float[Tensor, "1 batch steps classes"]:
    """Return the answers after all steps as one output, where each step has a label of its own.

    >>> import torch
    >>> timed(torch.zeros(7, 2, 3), torch.zeros(2, 7, dtype=torch.int64)).shape
    torch.Size([1, 2, 7, 3])
    """
    own = isinstance(labels, Tensor) and not labels.is_floating_point() and labels.shape == readout.shape[1::-1]
    return readout.transpose(0, 1)[None] if own and readout.dim() == 3 else readout


def required_tensor(labels: object, samples: int) -> Tensor:
    """Return the labels of a batch.

    Raises:
        DataError: if they are no real tensor, or not as many as there are samples.
    """
    if isinstance(labels, Tensor) and labels.shape[:1] == (samples,) and not labels.is_complex():
        return labels
    advice = "" if isinstance(labels, Tensor) else f": {remedy(labels)}"
    raise DataError(
        "a batch must hold tensors: the inputs, and then a class or a target for each of their samples; its last one "
        f"is {described(labels)}{advice}"
    )


def targets_of(y: Float[Tensor, "..."], output: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Return targets in the shape of an output, which they have but for axes of size 1.

    Raises:
        DataError: if they have another shape, or are not finite.
    """
    if [n for n in y.shape if n != 1] != [n for n in output.shape if n != 1]:
        raise DataError(
            f"the targets have the shape {list(y.shape)}, the output of the network {list(output.shape)}: give one "
            "number for each output, or whole numbers [batch] as classes"
        )
    if not bool(y.isfinite().all()):
        raise DataError("the targets hold NaN or infinity: clean the data first (torch.isfinite finds them)")
    return y.reshape(output.shape).to(output.device)


def classes_of(y: Shaped[Tensor, "batch ..."], output: Float[Tensor, "batch ..."]) -> Classes:
    """Return labels as classes; the output has their shape and an axis of classes beside, the second or the last.

    Raises:
        DataError: if it has none, or a label is none of its classes.
    """
    axis, y = _axis(y.shape, output.shape), y.long().to(output.device)
    counted, classes = y != NO_LABEL, output.shape[axis]
    told = y[counted]
    if not bool(((told >= 0) & (told < classes)).all()):
        found = f"from {int(told.min())} to {int(told.max())}"
        raise DataError(
            f"a label lies outside 0 .. {classes - 1}: the network tells {classes} classes apart, the labels are "
            f"{found}; {NO_LABEL} marks what is not to be counted"
        )
    return Classes(told, counted, axis)


def _axis(labels: Sequence[int], output: Sequence[int]) -> int:
    """Return the axis of the classes, counted from the end."""
    rank = len(output)
    fitting = [a for a in sorted({1, rank - 1}) if 0 < a < rank and [*output[:a], *output[a + 1 :]] == list(labels)]
    found = [axis - rank for axis in fitting if output[axis] > 1]
    if len(found) == 1:
        return found[0]
    raise DataError(_no_axis(list(labels), list(output), ambiguous=len(found) > 1))


def _no_axis(labels: list[int], output: list[int], *, ambiguous: bool) -> str:
    if ambiguous:
        return (
            f"the classes of the output {output} may lie on its second axis or on its last, the labels {labels} fit "
            "both: give samples of another length"
        )
    said = (
        f"classes must be whole numbers [batch] for an output [batch, classes], or [batch, ...] for [batch, classes, "
        f"...] or [batch, ..., classes], got {labels} for {output}"
    )
    if labels == output and len(output) == 2 and output[1] > 1:
        return f"{said}; of one-hot labels give the places, y.argmax(1)"
    return f"{said}; targets of a regression must be floating point"
