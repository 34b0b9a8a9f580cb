"""Sigma-delta: sequences of frames, whose every frame is answered, and where nothing is sent that stands still."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from canonic import DataError, Settings, SigmaDelta, load
from canonic.conversion import convert
from canonic.network import follow

sequences = st.lists(st.lists(st.floats(-20, 20), min_size=3, max_size=3), min_size=1, max_size=8)


@given(sequences, st.booleans(), st.integers(1, 16))
def test_what_was_sent_is_the_current_number_within_half_a_threshold(frames, signed, levels):
    x = torch.tensor(frames, dtype=torch.float64)
    code = SigmaDelta(levels, steps=len(x))
    sent = code.respond(code.telescope(x), signed=signed)
    held = x.clamp(-levels if signed else 0, levels)
    assert (code.prefixes(sent) - held).abs().max() <= 0.5 + 1e-9
    assert torch.equal(sent, sent.round())
    assert sent.abs().max() <= code.alphabet.magnitudes[0]


@given(sequences, st.integers(1, 9))
def test_what_stands_still_sends_nothing(frames, longer):
    x = torch.tensor(frames, dtype=torch.float64).repeat_interleave(longer, 0)
    code = SigmaDelta(16, steps=len(x))
    sent = code.respond(code.telescope(x))
    assert not sent.view(len(frames), longer, 3)[:, 1:].any()


class Small(nn.Module):
    """A convolution, max pooling, a residual sum and a function unit."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.Linear(16, 3)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.a(x)), 2)
        return self.c(torch.relu(x + nn.functional.gelu(self.b(x))).flatten(1))


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    model = Small().double().eval()
    frames = torch.rand(5, 6, 1, 4, 4, dtype=torch.float64).cumsum(0) / 5
    frames[3] = frames[2]
    return frames, convert(model, [frames.flatten(0, 1)], code="sigma-delta:32", progress=False)


@pytest.mark.parametrize("scheduler", ["layerwise", "clocked"])
def test_every_frame_is_answered_as_if_it_were_alone_and_the_still_one_costs_nothing(small, scheduler):
    frames, snn = small
    answers, events = follow(snn, frames, scheduler=scheduler)
    alone = torch.stack([snn(frame) for frame in frames])
    assert torch.allclose(answers, alone, rtol=0, atol=1e-9)
    assert set(events) == set(snn.graph.neurons)
    assert all(counts[3] == 0 < counts[2] for counts in (each.tolist() for each in events.values()))


def test_changes_are_those_of_numpy():
    """An MLP from its equations: numbers rounded to thresholds frame by frame, and their differences counted."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    frames = torch.randn(7, 3, 4, dtype=torch.float64)
    settings = Settings(correct=False)
    snn = convert(model, [frames.flatten(0, 1)], code="sigma-delta:16", settings=settings, progress=False)
    answers, events = follow(snn, frames)

    def linear(place, x):
        return x @ model[place].weight.detach().numpy().T + model[place].bias.detach().numpy()

    values = frames.numpy()
    for place, name in ((0, "1"), (2, "3")):
        theta = snn.graph[name].tensors["theta"].numpy()
        steps = np.clip(np.rint(linear(place, values) / theta), 0, 16)
        changes = np.diff(steps, axis=0, prepend=0)
        assert events[name].tolist() == np.count_nonzero(changes, (1, 2)).tolist()
        values = steps * theta
    assert np.allclose(answers.numpy(), linear(4, values))


def test_one_frame_files_and_an_input_that_is_sent_as_changes(small, tmp_path):
    frames, snn = small
    assert snn.total_steps == 1
    snn.save(tmp_path / "net.snn")
    assert torch.equal(follow(load(tmp_path / "net.snn"), frames).answers, follow(snn, frames).answers)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    coded = convert(model, [x := torch.rand(30, 4)], code="sigma-delta", settings=Settings(input="css"), progress=False)
    still = x.expand(3, 30, 4)
    assert follow(coded, still).events["input.spikes"].tolist()[1:] == [0, 0]


def test_other_codes_and_frames_that_do_not_fit_are_refused(small):
    frames, snn = small
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    css = convert(model, [torch.rand(30, 4)], progress=False)
    with pytest.raises(DataError, match="wants the code sigma-delta in all layers, and 1 is in css: convert"):
        follow(css, torch.rand(3, 5, 4))
    with pytest.raises(DataError, match=r"frames must be real numbers, \[time, batch"):
        follow(snn, frames.int())
    with pytest.raises(DataError):
        follow(snn, frames[:, :, :, :3])
