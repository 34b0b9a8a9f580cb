"""NIR: what moves elements, and joins streams, spike for spike."""

import pytest
import torch
from torch import nn

import canonic
from canonic import CSS
from canonic.export.nir import load_nir
from canonic.frontend import export
from tests.lambdas import Lambda
from tests.networks import lively
from tests.test_nir import require_same_spikes


def pictures(f):
    """Return a network of pictures that does f between two layers."""
    return lambda: Lambda(lambda m, x: m.c(f(torch.relu(m.a(x)), torch.relu(m.b(x))).flatten(1)),
                          a=nn.Conv2d(3, 4, 3, padding=1), b=nn.Conv2d(3, 4, 1), c=nn.LazyLinear(3))  # fmt: skip


def vectors(f):
    """Return a network of vectors that does f between two layers."""
    return lambda: Lambda(lambda m, x: m.c(f(torch.relu(m.a(x)), torch.relu(m.b(x)))),
                          a=nn.Linear(9, 8), b=nn.Linear(9, 8), c=nn.LazyLinear(3))  # fmt: skip


def dense(x, layers):
    for layer in layers:
        x = torch.cat((x, torch.relu(layer(x))), 1)
    return x


PICTURE, VECTOR, LINE = (3, 6, 6), (9,), (3, 12)
MOVED = {
    "channels": (pictures(lambda a, b: torch.cat((a, b), 1)), PICTURE),
    "three parts, one twice": (pictures(lambda a, b: torch.cat((b, a, b), 1)), PICTURE),
    "a dense block": (
        lambda: Lambda(lambda m, x: m.c(dense(torch.relu(m.a(x)), m.b).flatten(1)), a=nn.Conv2d(3, 4, 3, padding=1),
                       b=nn.ModuleList([nn.Conv2d(4, 2, 3, padding=1), nn.Conv2d(6, 2, 1)]), c=nn.LazyLinear(3)),
        PICTURE,
    ),
    "vectors": (vectors(lambda a, b: torch.cat((a, b), 1)), VECTOR),
    "some of a vector": (vectors(lambda a, b: a[:, 2:6] + b[:, ::2]), VECTOR),
    "a vector backwards": (vectors(lambda a, b: a.flip(1) + b.roll(3, 1)), VECTOR),
    "a part of a picture": (pictures(lambda a, b: (a + b)[:, :, 2:5, ::2]), PICTURE),
    "rows under each other": (pictures(lambda a, b: torch.cat((a, b[:, :, 1:]), 2)), PICTURE),
    "channels of a picture": (pictures(lambda a, b: a[:, 1:3] + b[:, :2]), PICTURE),
    "a margin": (pictures(lambda a, b: nn.functional.pad(a + b, (1, 1, 2, 2))), PICTURE),
    "another margin": (pictures(lambda a, b: nn.functional.pad(a + b, (0, 2, -1, 0))), PICTURE),
    "a margin of ones": (pictures(lambda a, b: nn.functional.pad(a + b, (1, 1), value=1.0)), PICTURE),
    "channels behind": (pictures(lambda a, b: (a + b).permute(0, 2, 3, 1)), PICTURE),
    "rows upside down": (pictures(lambda a, b: torch.cat((a.flip(2), b), 2)), PICTURE),
    "a stack": (pictures(lambda a, b: torch.stack((a, b), 2)), PICTURE),
    "one row for all": (pictures(lambda a, b: a + b[:, :, :1] - b[:, 1:2]), PICTURE),
    "another shape": (pictures(lambda a, b: (a + b).reshape(-1, 8, 3, 6).transpose(1, 3)), PICTURE),
    "the other sign": (pictures(lambda a, b: a - torch.cat((-b[:, 2:], b[:, :2]), 1)), PICTURE),
    "lines": (
        lambda: Lambda(lambda m, x: m.c(torch.cat((y := torch.relu(m.a(x)), torch.relu(m.b(y))), 1).flatten(1)),
                       a=nn.Conv1d(3, 4, 3, padding=1), b=nn.Conv1d(4, 2, 1), c=nn.LazyLinear(3)),
        LINE,
    ),
}  # fmt: skip


def converted(make, shape, code):
    torch.manual_seed(1)
    model, x = make().eval(), torch.rand(2, *shape)
    model(x)  # layers that wait for their sizes
    program = export(lively(model).float(), x)
    return canonic.convert(program, [torch.rand(16, *shape)], code=code, progress=False)


@pytest.mark.parametrize("kind", MOVED)
def test_what_moves_elements(kind, tmp_path):
    make, shape = MOVED[kind]
    snn = converted(make, shape, CSS())
    x = torch.rand(4, *shape)
    snn = require_same_spikes(snn, x, tmp_path / "a.nir")
    assert torch.equal(load_nir(tmp_path / "a.nir")(x.double()), snn(x.double()))


@pytest.mark.parametrize("code", ["rate:8", "latency:8"])
def test_streams_that_are_joined_in_other_codes(code, tmp_path):
    make, shape = MOVED["a dense block"]
    require_same_spikes(converted(make, shape, code), torch.rand(4, *shape), tmp_path / "a.nir")
