"""Integer networks in other codes than CSS, spike for spike as an interpreter in numpy's int64 has them."""

import numpy as np
import pytest
import torch
from torch import nn

from canonic import ConversionError, convert
from canonic.codes import code_of
from canonic.network.readout import clocked
from tests.integers import convolve

X = torch.rand(6, 2, 6, 6, generator=torch.Generator().manual_seed(5))
# What a spike of each digit is worth, in units of the last; with what a constant enters; steps that are waited.
RATE, RADIX = ([1] * 7, [1] * 7, 0), ([8, 4, 2, 1], [2, 0, 0, 0], 4)
LINEAR = ([5, 4, 3, 2, 1], [1, 0, 0, 0, 0], 5)
CODES = {
    "rate:7": RATE,
    "signed-rate:7": RATE,
    "burst:7,most=3": RATE,
    "phase:4": (RADIX[0], RADIX[1], 0),
    "binary:4": RADIX,
    "few-spike:4": RADIX,
    "latency:5": LINEAR,
    "count:7": ([1] * 7, [7, *[0] * 6], 7),
}


def spikes_of(text, currents, theta, start):
    """The spikes of a population; currents come digit by digit, thresholds and starts are whole."""
    (worths, _, silent), name = CODES[text], text.split(":")[0]
    u = np.zeros(currents.shape[1:], dtype=np.int64) + start
    sent, spikes = np.zeros_like(u), []
    held = sum(w * current for w, current in zip(worths, currents, strict=True))
    for digit, w in enumerate(worths):
        u = u + (held if digit == 0 else 0) if silent else u + w * currents[digit]
        bar = w * theta
        match name:
            case "burst":
                s = np.clip(u // bar, 0, 3)
            case "signed-rate":
                s = np.where(u >= bar, 1, np.where((u <= -bar) & (sent > 0), -1, 0))
            case "few-spike":
                s = (u > bar).astype(np.int64)
            case "latency":
                s = ((u >= bar) & (sent == 0)).astype(np.int64)
            case _:
                s = (u >= bar).astype(np.int64)
        u, sent = u - bar * s, sent + w * s
        spikes.append(s)
    return np.stack(spikes)


def maximum(spikes, worths):
    """The digits of the largest of windows of 2 by 2, of what was sent so far."""
    sent, before, digits = 0, 0, []
    for w, step in zip(worths, spikes, strict=True):
        sent = sent + w * step
        rows = sent.reshape(*sent.shape[:2], sent.shape[2] // 2, 2, sent.shape[3] // 2, 2).max((3, 5))
        assert np.all((rows - before) % w == 0)
        digits.append((rows - before) // w)
        before = rows
    return np.stack(digits)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 4, 3, padding=1), nn.ReLU()
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(36, 3)).eval()


@pytest.mark.parametrize("text", CODES)
@torch.no_grad()
def test_spikes_of_whole_numbers_are_those_of_numpy(model, text):
    snn = convert(model, [X], code=text, progress=False)
    integer, (worths, gains, _) = snn.to_precision("int8"), CODES[text]
    nodes = {node.name: node for node in integer.clocked_plan.graph.nodes}

    def whole(name, key):
        tensor = nodes[name].tensors[key].numpy()
        assert np.array_equal(tensor, tensor.round())
        return tensor.astype(np.int64)

    def layer(name, streams):
        return np.stack([convolve(step, whole(name, "weight"), 1, 1) for step in streams])

    def population(name, currents):
        return spikes_of(text, currents, whole(name, "threshold"), whole(name, "start"))

    (scale,) = [node for node in nodes if node.endswith(".whole")]
    pictures = np.round(X.numpy() * nodes[scale].tensors["weight"].numpy()).astype(np.int64)
    constant = layer("0", pictures[None])[0] + whole("0", "bias")
    first = population("1", np.stack([gain * constant for gain in gains]))
    pooled = maximum(first, worths)
    bias = whole("3", "bias")
    second = population("4", layer("3", pooled) + np.stack([gain * bias for gain in gains])[:, None])
    seen = {}
    integer.readout(X, observe=lambda node, _, did: seen.update({node.name: getattr(did, "spikes", did)}))
    for name, ours in {"1": first, "2": pooled, "4": second}.items():
        assert seen[name].dtype == torch.int8
        assert np.array_equal(seen[name].numpy(), ours)
        assert ours.any()
    begin = integer.graph.first_steps["4"]
    ticks = [pulses["4"] for pulses, _ in clocked(integer.clocked_plan, [X])][begin : begin + len(worths)]
    assert np.array_equal(
        np.stack([np.zeros_like(second[0]) if tick is None else tick.numpy() for tick in ticks]), second
    )
    assert torch.allclose(integer(X), integer(X, scheduler="clocked"), atol=1e-5)
    assert (integer(X) - snn(X)).norm() < 0.2 * model(X).norm()
    assert code_of(text) == integer.code


def test_a_maximum_in_several_periods_is_refused(model):
    snn = convert(model, [X], code="phase:4,periods=2", progress=False)
    with pytest.raises(ConversionError, match="in the code phase of several periods the digits of a maximum are not"):
        snn.to_precision("int8")
