"""Max pooling of a stream as one program: the digits that the prefixes of its windows give, for every type of stream."""

import os
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import max_pool2d

from canonic import CSS
from canonic.native.compiled import maximum
from canonic.network.graph import Node
from canonic.network.pooling import pooled, windows

pytestmark = pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc")), reason="no C compiler: C is not tested")


def node(shape, **arguments):
    return Node("m", "function unit", "aten.max_pool2d.default", ("x",), shape, arguments, {}, "pools")


def maxima(code, stream, **arguments):
    """The largest prefixes of each window."""
    return torch.stack([max_pool2d(prefix, **arguments) for prefix in code.prefixes(stream)])


@st.composite
def cases(draw):
    steps, channels = draw(st.sampled_from([1, 3, 6])), draw(st.sampled_from([1, 3, 16, 20]))  # few programs
    kernel = draw(st.sampled_from([[1, 2], [2, 2], [2, 3], [3, 1]]))
    arguments = {
        "kernel_size": kernel,
        "stride": draw(st.sampled_from([[], [1, 1], [2, 2], [1, 3]])),
        "padding": [draw(st.integers(0, k // 2)) for k in kernel],
        "dilation": draw(st.sampled_from([[1, 1], [2, 1]])),
        "ceil_mode": draw(st.booleans()),
    }
    size = [(k - 1) * 2 + draw(st.integers(1, 4)) for k in kernel]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    shape = (steps, draw(st.integers(1, 3)), channels, *size)
    spikes = torch.randint(-1, 2, shape, generator=generator).float()
    return spikes, arguments, draw(st.sampled_from([torch.float32, torch.int8]))


@settings(max_examples=40)
@given(cases())
def test_its_digits_are_those_of_the_prefixes(case):
    spikes, arguments, dtype = case
    code = CSS(len(spikes))
    values = maxima(code, spikes, **arguments)
    done = pooled(node(tuple(values.shape[2:]), **arguments), spikes.to(dtype), code)
    assert done.dtype == dtype
    assert torch.equal(done.float(), code.telescope(values))


@settings(max_examples=40)
@given(cases())
def test_the_loop_that_a_gpu_runs_gives_the_same_digits(case):
    """Of windows within the picture, whatever order its axes have in memory; of others it says so."""
    spikes, arguments, dtype = case
    code = CSS(len(spikes))
    values = maxima(code, spikes, **arguments)
    stream = spikes.to(dtype).movedim(2, -1).contiguous().movedim(-1, 2)
    read = windows(node(tuple(values.shape[2:]), **arguments), stream)
    if read is None:
        assert any(arguments["padding"]) or arguments["ceil_mode"]
        return
    digits = torch.empty_like(read[0])
    maximum(code.beta)([list(x) for x in read], list(digits))
    assert torch.equal(digits.float(), code.telescope(values))


@pytest.mark.parametrize("code", [CSS(3, 0, 4.0, levels=16), CSS(2, 0, 16.0, levels=64)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int8])
def test_digits_of_many_levels_lie_between_those_of_two_pixels(code, dtype):
    shape, generator = (code.steps, 2, 5, 6, 6), torch.Generator().manual_seed(0)
    spikes = torch.randint(-code.levels, code.levels + 1, shape, generator=generator).float()
    values = maxima(code, spikes, kernel_size=2)
    done = pooled(node((5, 3, 3), kernel_size=2), spikes.to(dtype), code)
    assert torch.equal(done.float(), code.telescope(values))
    assert done.float().abs().max() <= code.levels


@pytest.mark.parametrize("beta", [2.0, 1.5])
def test_currents_are_pooled_as_spikes_are(beta):
    code = CSS(4, beta=beta)
    stream = torch.randint(-9, 10, (4, 2, 5, 6, 6), generator=torch.Generator().manual_seed(0)).float()
    values = maxima(code, stream, kernel_size=2)
    done = pooled(node((5, 3, 3), kernel_size=2), stream, code)
    assert torch.allclose(done, code.telescope(values), atol=1e-4)


PICTURE = torch.ones(2, 1, 1, 9, 9)


@pytest.mark.parametrize(
    ("stream", "code", "arguments"),
    [
        (PICTURE, CSS(2), {"kernel_size": [5, 5]}),
        (PICTURE.double(), CSS(2), {"kernel_size": 2}),
        (PICTURE.bfloat16(), CSS(2), {"kernel_size": 2}),
        (PICTURE.to(torch.int8), CSS(2, beta=1.5), {"kernel_size": 2}),
        (PICTURE[..., :3], CSS(2), {"kernel_size": 2, "stride": 1, "padding": 1, "dilation": [1, 3]}),
    ],
    ids=["a large window", "doubles", "rounded currents", "digits that are no spikes", "windows without a pixel"],
)
def test_what_it_does_not_take(stream, code, arguments):
    assert pooled(node((1, 4, 4), **arguments), stream, code) is None
