"""Batches on a GPU as CUDA graphs: the kernels of a shape are recorded once, and then started all together.

Each layer is a few kernels, and Python takes longer to start one than a small batch takes to pass it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

import torch
from jaxtyping import Shaped
from torch import Tensor

from canonic.errors import first_line

log = logging.getLogger("canonic")

Batch = Sequence[Shaped[Tensor, "batch ..."]]
Run = Callable[[Batch], tuple[Tensor, ...]]
Shape = tuple[tuple[tuple[int, ...], torch.dtype], ...]

MOST = 2
"""Shapes that are kept, such as those of a batch and of the last one: each holds the memory of its streams."""


@dataclass(frozen=True)
class Recording:
    """The kernels of one shape, which read and write memory of their own.

    Attributes:
        play: starts them.
        inputs: where they read.
        outputs: where they write.
    """

    play: Callable[[], None]
    inputs: Batch
    outputs: tuple[Tensor, ...]

    def __call__(self, inputs: Batch) -> tuple[Tensor, ...]:
        """Return the outputs for other inputs of the same shape."""
        for here, given in zip(self.inputs, inputs, strict=True):
            here.copy_(given)
        self.play()
        return tuple(output.clone() for output in self.outputs)


@dataclass
class Recordings:
    """What is kept of a network; one call at a time uses it, since recordings have one memory each.

    Attributes:
        known: by shape, the latest last; None where a batch ran once, and what it needs is built.
        refused: whether the network cannot be recorded.
        wait: lets a stream of the GPU wait for the call before.
        lock: held by the call that uses it.
    """

    known: dict[Shape, Recording | None] = field(default_factory=dict)
    refused: bool = False
    wait: Callable[..., None] | None = None
    lock: Lock = field(default_factory=Lock)

    def __call__(self, run: Run, inputs: Batch) -> tuple[Tensor, ...]:
        """Run a batch: as it is where its shape is new, recorded the second time, and played from then on."""
        shape = tuple((tuple(x.shape), x.dtype) for x in inputs)
        with self.lock:
            recording = self._ready(run, inputs, shape)
            if recording is not None:
                return self._played(recording, inputs)
        return run(inputs)

    def _played(self, recording: Recording, inputs: Batch) -> tuple[Tensor, ...]:
        stream = torch.cuda.current_stream()
        if self.wait is not None:
            self.wait(stream)
        outputs = recording(inputs)
        self.wait = stream.record_event().wait
        return outputs

    def _ready(self, run: Run, inputs: Batch, shape: Shape) -> Recording | None:
        """Return the recording of a shape; None at its first batch, and where there is none."""
        seen = shape in self.known
        recording = self.known.pop(shape, None)
        while len(self.known) >= MOST:
            del self.known[next(iter(self.known))]
        if seen and recording is None and not self.refused:
            recording = self._recorded(run, inputs)
        self.known[shape] = recording
        return recording

    def _recorded(self, run: Run, inputs: Batch) -> Recording | None:
        """Return the recording of a run; None, and a line in the log, where the run has to wait for the GPU."""
        given, graph = [x.clone() for x in inputs], torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                outputs = run(given)
        except RuntimeError as error:
            log.warning("kernels are started one by one, as they cannot be recorded: %s", first_line(error))
            self.refused = True
            return None
        return Recording(graph.replay, given, outputs)
