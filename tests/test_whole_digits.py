"""Whole numbers for the family of CSS: digits -L .. L and any whole radix, as an independent interpreter has them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from canonic import CSS, ConversionError, Override, Settings, convert, load
from canonic.native import css_scan
from canonic.native.population import Given
from canonic.network.draft import largest_threshold
from canonic.network.readout import clocked
from canonic.neurons import scan
from tests.integers import CURRENT, convolve, maximum, population
from tests.test_family import Small

MEMBERS = [
    CSS(8, 1, levels=2),
    CSS(8, 0, levels=8),
    CSS(4, 0, 4.0, levels=16),
    CSS(2, 0, 16.0, levels=64),
    CSS(15, 1, 3.0, levels=2),
    CSS(8, 0, levels=8, powers=True),
]
X = torch.randn(48, 2, 6, 6, generator=torch.Generator().manual_seed(5))


@st.composite
def neurons(draw):
    """A code, thresholds up to the largest, and currents that are near the middle of two digits, if not beyond all."""
    beta = draw(st.integers(2, 16))
    powers = beta == 2 and draw(st.booleans())
    levels = 2 ** draw(st.integers(1, 6)) if powers else draw(st.integers(beta // 2 + 1, 127))
    steps, silent = draw(st.integers(1, 5)), draw(st.integers(0, 2))
    code = CSS(steps, min(silent, steps), float(beta), levels=levels, powers=powers)
    most = int(largest_threshold(code))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    theta = random.choice([1, 2, most // 3, most - 1, most], 30)
    between = (2 * random.integers(-levels - 1, levels + 2, (steps, 30)) - 1) * theta * beta**code.silent // 2
    currents = np.clip(between + random.integers(-1, 2, (steps, 30)), -CURRENT, CURRENT)
    return code, theta, currents, random.integers(0, 2, 30) * theta // 3


@given(neurons(), st.sampled_from([(True, None), (False, None), (False, 0.7), (False, 3.0)]))
def test_the_neuron_of_whole_numbers_is_exact_to_the_half(given, kind):
    (code, theta, currents, start), (signed, ceiling) = given, kind
    own = Given(
        [torch.tensor(currents).float()[:, None]],
        [None],
        torch.float32,
        signed,
        start=torch.tensor(start).float(),
        theta=torch.tensor(theta).float(),
        ceiling=None if ceiling is None else torch.full((30,), ceiling),
    )
    pure = scan(code, own.current, signed=signed, start=own.start, theta=own.theta, ceiling=own.ceiling).spikes
    ours = population(currents, theta, start, *of(code, signed), caps=caps_of(code, ceiling))
    for spikes in (pure, css_scan(code, own).spikes):
        assert np.array_equal(spikes[:, 0].numpy(), ours)


def of(code, signed):
    return code.steps, code.silent, signed, int(code.beta), code.levels, code.powers


def caps_of(code, ceiling):
    """The largest prefixes, from a ceiling in units of theta."""
    if ceiling is None:
        return None
    return [np.round(np.float32(ceiling) * np.float32(code.beta**m)).astype(np.int64) for m in range(code.steps)]


def interpreted(integer, x):
    """All digits of ``Small`` and the sums of its answer, from weights and pictures alone."""
    nodes = {node.name: node for node in integer.clocked_plan.graph.nodes}
    code = integer.code

    def whole(name, key):
        tensor = nodes[name].tensors[key].numpy()
        assert np.array_equal(tensor, tensor.round())
        return tensor.astype(np.int64)

    def layer(name, x, padding):
        rows = convolve(np.concatenate(list(x)), whole(name, "weight"), 1, padding)
        out = rows.reshape(len(x), -1, *rows.shape[1:])
        out[0] += whole(name, "bias")
        return out

    def spikes(name, currents, *, signed=False):
        neurons, theta = nodes[name].neurons, nodes[name].tensors["theta"].numpy()
        caps = None if neurons.ceiling is None else caps_of(code, np.float32(neurons.ceiling) / theta)
        return population(currents, whole(name, "threshold"), whole(name, "start"), *of(code, signed), caps=caps)

    pictures = np.round(x.numpy() * nodes["x.whole"].tensors["weight"].numpy()).astype(np.int64)
    first = spikes("relu", layer("stem", pictures[None], 1))
    second = spikes("relu6", layer("conv", first, 1) + whole("add.scale", "weight") * first)
    third = spikes("narrow.spikes", layer("narrow", second, 0), signed=True)
    fourth = spikes("relu_2", layer("wide", third, 0))
    pooled = maximum(np.concatenate([second, fourth], 2), int(code.beta), 2)
    answer = pooled.reshape(len(pooled), len(x), -1) @ whole("head", "weight").T
    answer[0] += whole("head", "bias")
    return {"relu": first, "relu6": second, "narrow.spikes": third, "relu_2": fourth, "pool": pooled}, answer


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return Small().eval()


@pytest.mark.parametrize("code", MEMBERS, ids=str)
def test_digits_of_several_levels_equal_whole_numbers_in_numpy_spike_for_spike(small, code):
    integer = convert(small, [X], code=code, progress=False).to_precision("int8")
    x, seen = X[:8], {}
    digits, answer = interpreted(integer, x)
    assert code.beta == 3 or max(np.abs(ours).max() for ours in digits.values()) > 1
    integer.readout(x, observe=lambda node, _, did: seen.update({node.name: getattr(did, "spikes", did)}))
    ticks = [pulses for pulses, _ in clocked(integer.clocked_plan, [x])]
    for name, ours in digits.items():
        assert np.abs(ours).max() <= code.levels
        assert np.array_equal(seen[name].numpy(), ours)
        begin = integer.graph.first_steps[name]
        sent = [pulses[name] for pulses in ticks[begin : begin + code.steps]]
        assert all(np.array_equal(s.numpy(), wanted) for s, wanted in zip(sent, ours, strict=True))
    weights = float(code.beta) ** -np.arange(code.steps)
    decoded = np.tensordot(weights, answer, 1) * integer.clocked_plan.graph["head.readout"].tensors["weight"].numpy()
    for scheduler in ("layerwise", "clocked"):
        assert np.allclose(integer(x, scheduler=scheduler).numpy(), decoded, rtol=0, atol=1e-5)


def test_levels_of_each_population_files_and_early_answers(small, tmp_path):
    """What is chosen by population goes to whole numbers, and to a file and back, and answers step by step."""
    settings = Settings(levels="auto", overrides={"relu": Override(levels=3)})
    integer = convert(small, [X], code=CSS(8, 0), settings=settings, progress=False).to_precision("int8")
    assert integer.graph.levels[0] == 3
    assert integer.graph.levels[1] > 3
    with torch.no_grad():
        assert integer.verify([X], progress=False).snr > 30
    integer.save(tmp_path / "net.snn")
    again = load(tmp_path / "net.snn")
    assert torch.equal(again(X), integer(X))
    assert torch.equal(again.readout(X)[-1], integer(X))
    assert torch.allclose(again.answer(X, stop_when=0.0).readout, integer.readout(X)[0], rtol=0, atol=1e-6)


REFUSED = [
    (CSS(8, 1, 2.5, levels=2), "needs a whole beta; the code has 2.5: convert with beta=2, or use bf16"),
    (CSS(8, 0, 16.0, levels=16), "8 digits up to 16 with beta = 16 add up to 4.58e.09, beyond the 1.68e.07 that an"),
]


@pytest.mark.parametrize(("code", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_what_whole_numbers_cannot_hold_is_refused_with_the_remedy(code, message):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    snn = convert(model, [torch.rand(8, 5)], code=code, progress=False)
    with pytest.raises(ConversionError, match=message):
        snn.to_precision("int8")
    snn.to_precision("bf16")


def test_levels_whose_sums_could_overflow_are_refused_and_fewer_are_not():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(5, 24_000), nn.ReLU(), nn.Linear(24_000, 2)), torch.rand(8, 5)

    def whole(code):
        return convert(model, [x], code=code, settings=Settings(threshold="max"), progress=False).to_precision("int8")

    with pytest.raises(ConversionError, match="the sums of 2 .* could reach .*: take fewer levels, split the layer"):
        whole(CSS(2, 0, 16.0, levels=127))
    whole(CSS(2, 0, 16.0, levels=16))


class Widening(nn.Module):
    """A block whose shortcut leaves half of its channels out, as in the ResNets of CIFAR-10."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.shortcut, self.last = nn.Conv2d(32, 64, 1, bias=False), nn.Linear(64, 3)
        with torch.no_grad():
            self.shortcut.weight.copy_(torch.eye(64, 32)[:, :, None, None])

    def forward(self, x):
        x = self.first(x).relu()
        return self.last((self.second(x) + self.shortcut(x)).relu().mean((2, 3)))


@pytest.mark.parametrize("levels", [1, 64, 127])
def test_outputs_without_room_do_not_make_the_weights_of_others_coarse(levels):
    torch.manual_seed(0)
    code = CSS(8, 1) if levels == 1 else CSS(2, 0, 16.0, levels=levels)
    plan = convert(Widening().eval(), [X], code=code, progress=False).to_precision("int8").clocked_plan
    node = next(node for node in plan.graph.nodes if node.name == "second")
    bits = (node.tensors["weight"] / node.tensors["unit"].reshape(-1, 1, 1, 1)).abs().amax((1, 2, 3))
    assert float(bits[32:].min()) > 63  # nothing but the convolution reaches them
    assert float(bits[:32].median()) > 63


def test_weights_give_way_where_the_sums_of_many_levels_would_not_fit():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(5, 3000), nn.ReLU(), nn.Linear(3000, 2)).eval(), torch.rand(200, 5)
    code, told = CSS(2, 0, 16.0, levels=127), model(x).detach()
    snn = convert(model, [x], code=code, settings=Settings(threshold="max"), progress=False)
    rounded = (snn.to_precision("int8")(x) - told).square().mean() / told.square().mean()
    assert float(rounded) < 2 / 32**2 / 4  # the step is 1/32 of uniform weights: twice the share of its mean square


class Averaged(nn.Module):
    """An answer that reads averages."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 64, 3, padding=1), nn.Linear(64, 4)

    def forward(self, x):
        return self.last(self.first(x).relu().mean((2, 3)))


def test_averages_are_made_no_coarser_than_the_sums_of_an_answer_need():
    torch.manual_seed(0)
    model = Averaged().eval()
    with torch.no_grad():
        model.last.weight.copy_(torch.randn(4, 64).sign())  # rounded without an error
    snn = convert(model, [X], code=CSS(2, 0, 16.0, levels=127), progress=False)
    plan = snn.to_precision("int8").clocked_plan
    sums = next(node for node in plan.graph.nodes if node.name == "last")
    reach = sums.tensors["weight"].abs().sum(1).max() * bound_of(plan, sums.inputs[0])
    assert 2**22 < float(reach) <= 2**24


def bound_of(plan, name):
    """The largest number of an average of digits, from the scales that it passed."""
    node = next(node for node in plan.graph.nodes if node.name == name)
    scale = float(node.tensors["weight"].max()) if "weight" in node.tensors else 1.0
    return scale * (bound_of(plan, node.inputs[0]) if node.kind != "population" and node.inputs else 127)


class Stream(nn.Module):
    """Blocks that add to one stream, of which no population makes spikes: as in a transformer, or between bottlenecks.

    Args:
        norms: whether blocks read it through layer norms, as in a transformer; else as it is.
    """

    def __init__(self, blocks=10, width=16, *, norms):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) if norms else nn.Identity() for _ in range(blocks))
        self.first = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(blocks))
        self.second = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(blocks))
        self.last = nn.Linear(width, 4)

    def forward(self, x):
        for norm, first, second in zip(self.norms, self.first, self.second, strict=True):
            x = x + second(first(norm(x)).relu())
        return self.last(x)


@pytest.mark.parametrize("norms", [True, False])
@torch.no_grad()
def test_a_stream_that_many_blocks_add_to_keeps_its_bits(norms):
    torch.manual_seed(0)
    model, x = Stream(norms=norms).eval(), torch.randn(300, 16)
    snn = convert(model, [x], code=CSS(2, 0, 16.0, levels=127), progress=False)
    whole = snn.to_precision("int8")
    node = next(node for node in whole.clocked_plan.graph.nodes if node.name == "second.9")
    bits = (node.tensors["weight"] / node.tensors["unit"].reshape(-1, 1)).abs().amax(1)
    assert float(bits.min()) > 31
    told = model(x)
    lost = (whole(x) - told).square().mean() / told.square().mean()
    assert float(lost) < (snn(x) - told).square().mean() / told.square().mean() + 1e-3


class Flattened(Averaged):
    """An answer that is moved at the end."""

    def __init__(self):
        super().__init__()
        self.last = nn.Conv2d(64, 4, 1)

    def forward(self, x):
        return self.last(self.first(x).relu().mean((2, 3), keepdim=True)).flatten(1)


@torch.no_grad()
def test_an_answer_that_is_moved_may_reach_as_far_as_one_that_is_not():
    torch.manual_seed(0)
    model = Flattened().eval()
    model.last.weight.copy_(torch.randn(4, 64, 1, 1).sign())
    snn = convert(model, [X], code=CSS(2, 0, 16.0, levels=127), progress=False)
    told, whole = snn(X), snn.to_precision("int8")(X)
    assert float((whole - told).square().mean() / told.square().mean()) < 1e-3
