"""Scales, shifts and sums between populations and weights: folded, so that weights only add, whatever lies between."""

from random import Random

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from canonic import CSS, Settings, convert
from canonic.frontend import export
from canonic.measure.operations import Account
from canonic.measure.tally import firing_counter, seen_of
from canonic.network.layerwise import at_once
from tests.lambdas import Lambda, conv
from tests.networks import lively

EXACT = CSS(steps=14, silent=14)
CHANNELS = torch.tensor([0.5, -2.0, 1.5, 0.0]).view(4, 1, 1)
PLACES = torch.linspace(-1, 1, 16).view(1, 4, 4)
LAYERS = {"a": lambda: conv(2, 4), "b": lambda: conv(2, 4), "n": lambda: nn.BatchNorm2d(4)}

BETWEEN = {
    "batch norm": lambda m, y, z: m.n(y),
    "half": lambda m, y, z: y * 0.5,
    "negation": lambda m, y, z: -y,
    "shift": lambda m, y, z: y + 0.25,
    "one minus": lambda m, y, z: 1 - y,
    "channels": lambda m, y, z: y * m.channels + 0.1,
    "places are shifted": lambda m, y, z: y / 3 + m.places,
    "scale through a maximum": lambda m, y, z: F.max_pool2d(m.n(y), 3, 1, 1),
    "signs through a maximum": lambda m, y, z: F.max_pool2d(y * m.channels - 0.2, 2, 1),
    "padding behind a shift": lambda m, y, z: F.pad(m.n(y), (1, 0, 0, 2)),
    "padding with a constant": lambda m, y, z: F.pad(y, (1, 0, 0, 2), value=0.5),
    "nearest": lambda m, y, z: F.interpolate(0.2 - y, scale_factor=2.0),
    "moved": lambda m, y, z: (y * m.channels).permute(0, 2, 1, 3).flip(3).roll(1, 2).permute(0, 2, 1, 3),
    "joined": lambda m, y, z: torch.cat([(0.5 * y)[:, :2], 1 - z[:, 2:]], 1),
    "sum": lambda m, y, z: y + z,
    "difference of scales": lambda m, y, z: m.n(y) - 0.5 * z,
    "twice": lambda m, y, z: y + (y + 1),
    "sum moved": lambda m, y, z: F.pad(y + 0.5 * z, (1, 1, 1, 1)),
}
"""What two populations y and z go through on the way to a convolution, without a population of its own."""

CODED = {
    "places are scaled": lambda m, y, z: y * m.places,
    "maximum of a sum": lambda m, y, z: F.max_pool2d(y - z, 2),
    "maximum of shifts": lambda m, y, z: F.max_pool2d(y + m.places, 2),
    "sum of three": lambda m, y, z: y + z + F.relu(y - z),
    "sum that is joined": lambda m, y, z: torch.cat([y + z, 2 * z], 1)[:, 2:6],
    "joined in space": lambda m, y, z: torch.cat([y[:, :, :2], z[:, :, 2:]], 2),
    "mean is taken off": lambda m, y, z: y - y.mean((2, 3), keepdim=True),
}
"""The same where a population has to code it anew."""


def network(between):
    """Two populations, what is between, two convolutions that read it, and a readout."""
    torch.manual_seed(0)
    layers = {name: make() for name, make in LAYERS.items()}
    model = Lambda(
        lambda m, x: m.d(F.relu(m.c(s := between(m, F.relu(m.a(x)), F.relu(m.b(x)))) + 0.3 * m.e(s))),
        **layers,
        c=conv(4, 4),
        e=conv(4, 4, bias=False),
        d=conv(4, 2),
        channels=CHANNELS,
        places=PLACES,
    )
    model = lively(model)
    model.n.weight.data[1] *= -1
    return model, torch.randn(6, 2, 4, 4, dtype=torch.float64)


def numbers(snn, x):
    """What each node with weights reads that is none of -1, 0 and 1, by brute force; and the output."""
    found = {}

    def observe(node, streams, _):
        if node.weighted:
            found[node.name] = int(((streams[0] * (streams[0].abs() - 1)).abs() > 0).sum())

    (output,) = at_once(snn.clocked_plan, [x], observe)
    return {name: count for name, count in found.items() if count}, snn.code.decode(output)


def multiplications(snn, x):
    """The nodes that multiply, as it is measured."""
    account = Account(snn.clocked_plan.graph, snn.code.steps, spiking=True)
    seen = seen_of(snn.graph.inputs, [x])
    at_once(snn.clocked_plan, [x], firing_counter(seen, account, snn.clocked_plan.codes))
    made = seen.operations(account, len(x))
    return {name for name, operations in made.items() if operations.multiplications}


@pytest.mark.parametrize("name", [*BETWEEN, *CODED])
def test_weights_only_add(name):
    model, x = network({**BETWEEN, **CODED}[name])
    snn = convert(export(model, x), [x], code=EXACT, settings=Settings(threshold="max", correct=False))
    assert torch.allclose(snn.source(x), model(x), rtol=1e-10, atol=1e-12)
    first = {node.name for node in snn.graph.nodes if node.inputs == snn.graph.inputs}
    counted, output = numbers(snn, x)
    assert counted.keys() == first
    assert multiplications(snn, x) - first <= {"sub.scale_2", "cat.spikes.scale"}  # in other units
    assert (output - model(x)).abs().max() <= 3e-3 * model(x).abs().max()
    assert sum(node.neurons.signed for node in snn.graph.populations) == (name in CODED)


STEPS = [
    lambda s, c, p: s * c,
    lambda s, c, p: s + c,
    lambda s, c, p: -s,
    lambda s, c, p: 0.3 - s / 2,
    lambda s, c, p: s + p,
    lambda s, c, p: F.max_pool2d(s, 3, 1, 1),
    lambda s, c, p: F.pad(s, (1, 0, 0, 1))[:, :, 1:, :-1],
    lambda s, c, p: s.flip(2).roll(1, 3),
    lambda s, c, p: F.interpolate(s, scale_factor=2.0)[:, :, ::2, 1::2],
    lambda s, c, p: torch.cat([s[:, 2:], 2 * s[:, :2]], 1),
    lambda s, c, p: F.pad(s[:, :, 1:-1, 1:-1], (1, 1, 1, 1), value=-0.4),
]
JOINTS = [lambda y, z: y + z, lambda y, z: y - 0.5 * z, lambda y, z: torch.cat([y[:, :2], z[:, 2:]], 1)]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_lies_between(seed):
    """Random chains of steps behind two populations, joined, and a further chain: weights read spikes."""
    draw = Random(seed)
    chains = [draw.choices(STEPS, k=draw.randint(1, 3)) for _ in "yzs"]
    joint = draw.choice(JOINTS)

    def between(m, y, z):
        y, z = (run(chain, s, m.channels, m.places) for chain, s in zip(chains, (y, z), strict=False))
        return run(chains[2], joint(y, z), -m.channels, m.places)

    model, x = network(between)
    snn = convert(export(model, x), [x], code=EXACT, settings=Settings(threshold="max", correct=False))
    assert torch.allclose(snn.source(x), model(x), rtol=1e-10, atol=1e-12)
    counted, output = numbers(snn, x)
    assert counted.keys() == {node.name for node in snn.graph.nodes if node.inputs == snn.graph.inputs}
    assert (output - model(x)).abs().max() <= 3e-3 * model(x).abs().max()


def run(chain, stream, channels, places):
    for step in chain:
        stream = step(stream, channels, places)
    return stream


MIXED = {
    "pixel shuffle": lambda m, y, z: F.pixel_shuffle(torch.cat([y] * 2 + [m.n(y)] * 2, 1), 2),
    "rows": lambda m, y, z: y.reshape(-1, 4, 2, 8).transpose(1, 2).reshape(-1, 4, 4, 4),
    "channels become places": lambda m, y, z: 0.5 * y.transpose(1, 2) + 1,
}
"""Where thresholds of channels end up at other places, so that there is one for all."""


@pytest.mark.parametrize("name", MIXED)
def test_weights_take_up_the_thresholds(name):
    model, x = network(MIXED[name])
    snn = convert(export(model, x), [x], code=EXACT, settings=Settings(threshold="max", correct=False))
    counted, output = numbers(snn, x)
    assert counted.keys() == {node.name for node in snn.graph.nodes if node.inputs == snn.graph.inputs}
    assert (output - model(x)).abs().max() <= 3e-3 * model(x).abs().max()


@pytest.mark.parametrize("name", ["scale through a maximum", "padding behind a shift", "joined"])
def test_whole_numbers_lose_no_more_than_eight_bits_must(name):
    model, x = network(BETWEEN[name])
    model, x, y = model.float(), x.float().repeat(8, 1, 1, 1), x.float()
    model.channels, model.places = CHANNELS.float(), PLACES.float()
    snn = convert(export(model, x), [x + 0.1 * torch.randn_like(x)], code=CSS(steps=8, silent=2))
    wanted, plain, whole = model(y), snn(y), snn.to_precision("int8")(y)
    assert (whole - wanted).norm() <= 1.26 * (plain - wanted).norm() + wanted.norm() / 127
