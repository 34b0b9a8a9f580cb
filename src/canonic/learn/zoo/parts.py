"""What entries of the zoo are run and read by."""

from typing import TypeVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from canonic.codes.readouts import first_event, scores
from canonic.errors import TrainingError
from canonic.learn import losses
from canonic.learn.schedule import Run, unroll
from canonic.learn.system import Forward
from canonic.words import counted, one

Kind = TypeVar("Kind")


def known(thing: object, kind: type[Kind]) -> Kind:
    """Return what an entry has built as the kind of thing that its own code builds.

    Raises:
        TrainingError: if it is another.
    """
    if not isinstance(thing, kind):
        raise TrainingError(f"this entry builds {one(kind.__name__)}, and was given {one(type(thing).__name__)}")
    return thing


def constant(steps: int) -> Forward:
    """Return a forward pass of this many steps, for samples that are the same at each."""
    return lambda net, x, seed: unroll(net, x, steps, seed=seed)


def stream(net: nn.Module, x: Shaped[Tensor, "batch time *shape"], seed: int | None) -> Run:
    """Return the forward pass of sequences, a step of the network for each of theirs."""
    return unroll(net, in_time(x), seed=seed)


def in_time(x: Shaped[Tensor, "batch time *shape"]) -> Float[Tensor, "time batch *shape"]:
    """Return sequences as a stream of real numbers, whatever they are: events may be bytes."""
    return x.transpose(0, 1).to(torch.get_default_dtype())


def mean(run: Run) -> Float[Tensor, "time batch classes"]:
    """Return after each step the mean of the outputs so far.

    >>> mean(Run(torch.tensor([[[1.0]], [[0.0]]]))).flatten().tolist()
    [1.0, 0.5]
    """
    count = torch.arange(1, len(run.output) + 1, device=run.output.device, dtype=run.output.dtype)
    return run.output.cumsum(0) / count[:, None, None]


def last(run: Run) -> Float[Tensor, "time batch classes"]:
    """Return the outputs: of membranes, what was added up until each step."""
    return run.output


def first(run: Run) -> Float[Tensor, "time batch classes"]:
    """Return after each step the membranes of the outputs, from the first event on those of its step.

    Classes that did not fire with it then stand at minus infinity. The outputs are the spikes of the last population,
    which keeps its membranes.

    >>> spikes = torch.tensor([[[0.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]])
    >>> first(Run(spikes, membranes={"last": spikes})).argmax(2).flatten().tolist()
    [0, 1, 1]
    """
    return scores(run.output, list(run.membranes.values())[-1])


READOUTS = {"mean": mean, "last": last, "first": first}
"""How an answer is read, by the word for it."""


def first_step(run: Run) -> Int[Tensor, "batch"]:
    """Return the step of the first event of the outputs, from 1; T where there is none."""
    return first_event(run.output, run.output).step


def cross_entropy(run: Run, y: Int[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Return the cross entropy of the mean of the outputs of all steps."""
    return losses.cross_entropy(run.output, y)


def driven(reached: float, layer: str, share: float, samples: int) -> float:
    """Return what a share of the numbers of a layer does not exceed, of which a threshold is made.

    Raises:
        TrainingError: unless it is above 0; the layer is one of the network that a system begins from.
    """
    if not reached > 0:
        raise TrainingError(
            f"layer {layer} of the network that it begins from drives nothing: {100 * share:g} % of what it makes of "
            f"{counted(samples, 'training sample')} is at most {reached:g}, and a threshold must be above 0; give "
            "samples whose numbers are not nearly all 0, scaled up to 1"
        )
    return reached


class Votes(nn.Module):
    """Counts the spikes of the neurons of each class, ``[rows, classes * group]`` to ``[rows, classes]``.

    >>> Votes(classes=2, group=3)(torch.tensor([[1.0, 0, 1, 0, 1, 0]])).tolist()
    [[2.0, 1.0]]
    """

    matrix: Tensor

    def __init__(self, classes: int, group: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.eye(classes).repeat_interleave(group, dim=1))

    def forward(self, rows: Float[Tensor, "rows neurons"]) -> Float[Tensor, "rows classes"]:
        """Return the counts."""
        return F.linear(rows, self.matrix)
