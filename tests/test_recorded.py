"""What is kept of batches on a GPU, without one: when a run is recorded, played, dropped and refused."""

import contextlib

import pytest
import torch

from canonic.network import recorded
from canonic.network.recorded import MOST, Recordings


class Kernels:
    """A graph: what ran while it was recorded, which it computes again from what lies in its inputs by then."""

    recording = None

    def replay(self):
        self.output.copy_(2 * self.input)


class Run:
    """Twice the input, and how often Python was asked for it."""

    asked = 0

    def __call__(self, inputs):
        self.asked += 1
        output = 2 * inputs[0]
        if Kernels.recording:
            Kernels.recording.input, Kernels.recording.output = inputs[0], output
        return (output,)


class Stream:
    """Of the GPU, and the events on it, for which others wait."""

    waited = 0

    def record_event(self):
        return self

    def wait(self, stream):
        stream.waited += 1


@contextlib.contextmanager
def graph(kernels):
    Kernels.recording = kernels
    yield
    Kernels.recording = None


@pytest.fixture
def stream(monkeypatch):
    """The parts of torch.cuda that are used."""
    stream = Stream()
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Kernels)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    return stream


def test_a_shape_runs_then_is_recorded_then_played(stream):
    recordings, run = Recordings(), Run()
    asked = []
    for value in (1.0, 2.0, 3.0, 4.0):
        (out,) = recordings(run, [torch.full((3,), value)])
        assert torch.equal(out, torch.full((3,), 2 * value))
        asked.append(run.asked)
    assert asked == [1, 2, 2, 2]
    assert stream.waited == 2  # for the call before, on whatever stream that was: recordings have one memory each


def test_answers_are_kept_when_the_next_batch_is_played(stream):
    recordings, run = Recordings(), Run()
    outs = [recordings(run, [torch.full((3,), float(value))])[0] for value in range(5)]
    assert [float(out[0]) for out in outs] == [0, 2, 4, 6, 8]


def test_the_shapes_that_came_last_are_kept(stream):
    recordings, run = Recordings(), Run()
    for size in (1, 2, 3):
        for value in (1.0, 2.0, 3.0):
            (out,) = recordings(run, [torch.full((size,), value)])
            assert torch.equal(out, torch.full((size,), 2 * value))
    assert [shape[0][0] for shape in recordings.known] == [(2,), (3,)]
    assert len(recordings.known) == MOST


def test_types_are_told_apart(stream):
    recordings, run = Recordings(), Run()
    for _ in range(3):
        for dtype in (torch.float32, torch.int64):
            assert recordings(run, [torch.ones(3, dtype=dtype)])[0].dtype == dtype


def test_a_run_that_waits_for_the_gpu_is_said_once_and_runs_as_it_is(stream, monkeypatch):
    def refusing(_):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(torch.cuda, "graph", refusing)
    said = []
    monkeypatch.setattr(recorded.log, "warning", lambda text, *given: said.append(text % given))
    recordings, run = Recordings(), Run()
    outs = [recordings(run, [torch.ones(size)])[0] for size in (3, 3, 3, 4, 4)]
    assert all((out == 2).all() for out in outs)
    assert run.asked == 5
    assert said == [
        "kernels are started one by one, as they cannot be recorded: operation not permitted when stream is capturing"
    ]
