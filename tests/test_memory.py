"""Conversion holds what is read later, not all that was ever computed, and few samples of what lies between."""

import gc
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from canonic import CSS, convert
from canonic.network import lockstep
from canonic.network.parts import in_parts
from canonic.network.reference import reference

SAMPLES = 64
WIDTH = 32


def deep(layers):
    torch.manual_seed(0)
    blocks = (nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()) for _ in range(layers))
    return nn.Sequential(*blocks, nn.Linear(WIDTH, 3)).eval()


def most_bytes_held(layers, monkeypatch):
    """Return the most bytes that what lies between two populations leaves alive at once."""
    held, most = list[weakref.ref[torch.Tensor]](), [0]

    def watched(run, inputs, size):
        found = in_parts(run, inputs, size)
        held.extend(map(weakref.ref, found))
        most[0] = max(most[0], sum(x.nbytes for ref in held if (x := ref()) is not None))
        return found

    monkeypatch.setattr(lockstep, "in_parts", watched)
    convert(deep(layers), [torch.rand(SAMPLES, WIDTH)], code=CSS(4))
    return most[0]


def test_a_deeper_network_takes_no_more_memory(monkeypatch):
    shallow, deeper = (most_bytes_held(layers, monkeypatch) for layers in (4, 16))
    assert 0 < deeper < 1.5 * shallow  # four times as much, if all were held


def test_a_pass_of_the_source_lets_go_of_what_is_read():
    """At once, not at the next collection of cycles: 15 GB were held so in a denoiser."""
    graph, seen = convert(deep(6), [torch.rand(SAMPLES, WIDTH)], code=CSS(4)).plan.graph, []
    gc.disable()
    try:
        reference(graph, [torch.rand(SAMPLES, WIDTH)], lambda _, __, value: seen.append(weakref.ref(value)))
        alive = sum(ref() is not None for ref in seen)
    finally:
        gc.enable()
    assert alive == 0
    assert len(seen) > 6


def test_few_samples_at_a_time_give_the_same_network(monkeypatch):
    model, data = deep(3), [torch.rand(SAMPLES, WIDTH)]
    whole = convert(model, data, code=CSS(6))
    monkeypatch.setattr("canonic.network.parts.CHUNK", 4096)
    parts = convert(model, data, code=CSS(6))
    for one, other in zip(whole.plan.graph.populations, parts.plan.graph.populations, strict=True):
        assert one.tensors.keys() == other.tensors.keys()
        for name, tensor in one.tensors.items():
            torch.testing.assert_close(other.tensors[name], tensor, rtol=1e-5, atol=1e-6)


@given(st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_parts_are_computed_alone_and_laid_out_as_they_come(batch, samples, last):
    x = torch.arange(batch * 24.0).reshape(batch, 2, 3, 4)
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    seen = []

    def run(given):
        seen.append(len(given[0]))
        return [given[0] + 1, given[0].sum((1, 2, 3))]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("canonic.network.parts.CHUNK", samples)
        more, sums = in_parts(run, [x], 1)
    assert torch.equal(more, x + 1)
    assert torch.equal(sums, x.sum((1, 2, 3)))
    assert sum(seen) == batch
    assert max(seen) <= samples
    assert more.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
