"""Answers before the last step, and answers when memory is short."""

import pytest
import torch
from torch import nn

from canonic import CSS, DataError
from canonic.conversion import convert
from canonic.network import layerwise

X = torch.rand(40, 6)


@pytest.fixture(scope="module")
def snn():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 3))
    return convert(model, [X], code=CSS(6, 1), progress=False)


def test_each_sample_stops_at_the_first_step_with_the_margin(snn):
    """Against the readout after every step, looked through sample by sample."""
    readout = snn.readout(X)
    margins = readout.sort(-1).values.diff(dim=-1)[..., -1]
    wanted = float(margins[-1].median())
    found = snn.answer(X, stop_when=wanted)
    assert len(set(found.steps.tolist())) > 1
    for sample in range(len(X)):
        reached = [t for t in range(3, 9) if margins[t - 1, sample] >= wanted]
        assert int(found.steps[sample]) == (reached[0] if reached else 8)
        assert torch.allclose(found.readout[sample], readout[found.steps[sample] - 1, sample], atol=1e-6)
    assert found.saved == pytest.approx(1 - found.steps.double().mean().item() / 8)


def test_no_margin_stops_at_the_first_digit_and_too_large_a_one_never(snn):
    assert snn.answer(X, stop_when=0.0).steps.tolist() == [3] * len(X)
    never = snn.answer(X, stop_when=1e9)
    assert (never.steps.tolist(), never.saved) == ([8] * len(X), 0)
    assert torch.allclose(never.readout, snn(X), atol=1e-6)


def test_what_is_no_margin_and_no_classifier(snn):
    with pytest.raises(DataError, match="stop_when must be a margin of at least 0, got -1.0"):
        snn.answer(X, stop_when=-1.0)
    one = convert(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1)), [X], progress=False)
    with pytest.raises(
        DataError, match=r"needs one output \[batch, classes\] of two classes or more, got \['batch', 1\]"
    ):
        one.answer(X, stop_when=0.5)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]
)
def test_a_batch_beyond_memory_is_halved_and_goes_on(snn, error, monkeypatch):
    whole, at_once = snn(X), layerwise.at_once

    def small(plan, inputs, observe=None):
        if len(inputs[0]) > 10:
            raise error
        return at_once(plan, inputs, observe)

    said = []
    monkeypatch.setattr(layerwise, "at_once", small)
    monkeypatch.setattr(layerwise.log, "warning", lambda text, *values: said.append(text % values))
    assert torch.allclose(snn(X), whole, atol=1e-6)
    assert said == [
        "not enough memory for 40 samples at once: going on with 20",
        "not enough memory for 20 samples at once: going on with 10",
        "not enough memory for 20 samples at once: going on with 10",
    ]


def test_other_errors_and_single_samples_are_not_tried_again(snn, monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(layerwise, "at_once", fails)
    with pytest.raises(MemoryError):
        snn(X[:1])
    with pytest.raises(MemoryError):
        snn.readout(X, observe=lambda *_: None)
