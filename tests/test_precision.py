"""Precisions: bfloat16 weights, and networks of whole numbers that equal an independent one in int64."""

import math
import subprocess
import sys
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from canonic import CSS, ConversionError, DataError, Settings, load
from canonic.conversion import convert
from canonic.network.graph import Precision
from canonic.network.integer import to_integers
from canonic.network.kernels import multiply
from canonic.network.precision import two_bfloat16
from tests.integers import convolve, population
from tests.lambdas import Lambda, conv


def residual(m, x):
    x = F.relu(m.stem(x))
    y = F.relu(m.first(x))
    y = F.relu(m.second(y) + m.short(x))
    return m.head(F.max_pool2d(y, 2).mean((2, 3)))


def network():
    torch.manual_seed(3)
    model = Lambda(
        residual, stem=conv(3, 6), first=conv(6, 8), second=conv(8, 8), short=nn.Conv2d(6, 8, 1), head=nn.Linear(8, 4)
    )
    return model.eval()


X = torch.randn(12, 3, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def snn():
    return convert(network(), [X], code=CSS(6, 1), progress=False)


def test_int8_equals_whole_numbers_in_numpy_spike_for_spike(snn):
    """Layer by layer, from the weights of the integer graph and the pictures alone."""
    integer = snn.to_precision("int8")
    nodes = {node.name: node for node in integer.clocked_plan.graph.nodes}
    inputs = np.round(
        np.clip(X.numpy(), -(top := float(X.abs().max())), top) * nodes["inputs_0.whole"].tensors["weight"].numpy()
    )

    def whole(name, key):
        tensor = nodes[name].tensors[key].numpy()
        assert np.array_equal(tensor, tensor.round())
        return tensor.astype(np.int64)

    def layer(name, x, padding=1):
        rows = np.concatenate(list(x))
        out = convolve(rows, whole(name, "weight"), 1, padding).reshape(len(x), -1, len(whole(name, "weight")), 6, 6)
        out[0] += whole(name, "bias")
        return out

    def spikes(name, currents):
        return population(currents, whole(name, "threshold"), whole(name, "start"), 6, 1, signed=False)

    names = [node.name for node in integer.graph.populations][:3]
    seen = integer.trace(X)
    x = spikes(names[0], layer("stem", inputs[None].astype(np.int64)))
    y = spikes(names[1], layer("first", x))
    z = spikes(names[2], layer("second", y) + layer("short", x, 0))
    for name, ours in zip(names, (x, y, z), strict=True):
        assert np.array_equal(seen[name].spikes[1:].numpy(), ours)
        assert np.abs(ours).max() == 1


def test_int8_weights_fit_in_eight_bits_and_a_power_of_two(snn):
    for node in snn.to_precision("int8").clocked_plan.graph.nodes:
        if node.weighted:
            weight, unit = node.tensors["weight"], node.tensors.get("unit", torch.ones(()))
            small = weight / unit.reshape(-1, *[1] * (weight.dim() - 1)) if unit.dim() else weight
            assert bool((small == small.round()).all())
            assert float(small.abs().max()) <= 127
            assert bool((torch.log2(unit) % 1 == 0).all())


def test_int8_is_the_same_on_every_path(snn):
    """Its own kernels and torch's float ones, all steps at once or tick by tick, large batch or small: one answer."""
    integer = snn.to_precision("int8")
    whole = integer(X)
    assert same(whole, integer(X, scheduler="clocked"))
    assert same(whole[:1], integer(X[:1]))
    assert same(whole, integer.compile()(X))
    assert same(integer.readout(X)[-1], whole)


def same(a, b):
    """One spike that differs changes an answer by far more than the rounding of the readout, which is in floats."""
    return torch.allclose(a, b, rtol=0, atol=1e-6)


def ratio(a, b):
    return 10 * math.log10(float(b.square().sum() / (a - b).square().sum()))


def test_each_precision_is_as_close_as_its_weights_allow(snn):
    exact = snn.source(X)
    assert ratio(snn.to_precision("bf16")(X), exact) > ratio(snn(X), exact) - 6
    assert ratio(snn.to_precision("bf16x2")(X), snn(X)) > 70
    assert ratio(snn.to_precision("int8")(X), exact) > 20


def test_the_source_stays_that_of_the_floats(snn):
    for precision in ("bf16x2", "bf16", "int8"):
        assert torch.equal(snn.to_precision(precision).source(X), snn.source(X))
        assert snn.to_precision(precision).to_precision("fp32").precision == "fp32"


def test_verify_measures_the_precision_that_runs(snn):
    exact, integer = (snn.to_precision(p).verify([X], progress=False).to_json() for p in ("fp32", "int8"))
    assert exact["outputs"] != integer["outputs"]


def test_bf16_rounds_the_weights_between_populations_only(snn):
    kinds = {n.name: n.tensors["weight"].dtype for n in snn.to_precision("bf16").clocked_plan.graph.nodes if n.weighted}
    assert kinds == {
        "stem": torch.float32,
        "first": torch.bfloat16,
        "second": torch.bfloat16,
        "short": torch.bfloat16,
        "head": torch.float32,
    }


@given(st.floats(-(2.0**60), 2.0**60, width=32).filter(lambda w: not 0 < abs(w) < 2.0**-60))
def test_two_terms_hold_a_weight_to_seventeen_bits(weight):
    w = torch.tensor(weight)
    both, high = two_bfloat16(w).double(), w.bfloat16().double()
    assert abs(both - w.double()) <= 2**-17 * abs(w.double())
    assert (both - high).bfloat16().double() == both - high


def test_bf16x2_rounds_no_current(snn):
    """Against two products, of the high terms and of the low ones, in float64."""
    x, plan = torch.randint(-1, 2, (5, 8, 6, 6)).float(), snn.to_precision("bf16x2").clocked_plan
    weight = snn.graph["second"].tensors["weight"]
    high = weight.bfloat16().float()
    low = (weight - high).bfloat16()
    exact = sum(F.conv2d(x.double(), term.double(), padding=1) for term in (high, low))
    assert torch.allclose(multiply(plan.graph["second"], [x]).double(), exact, rtol=0, atol=1e-5)
    assert torch.equal(plan.graph["head"].tensors["weight"], snn.graph["head"].tensors["weight"])


@pytest.mark.parametrize("precision", get_args(Precision))
def test_a_file_keeps_its_precision(snn, precision, tmp_path):
    snn.to_precision(precision).save(tmp_path / "net.snn")
    again = load(tmp_path / "net.snn")
    assert again.precision == precision
    assert again.describe()["precision"] == precision
    assert torch.equal(again(X), snn.to_precision(precision)(X))


@pytest.mark.parametrize("precision", get_args(Precision))
def test_batches_of_none_and_of_one(snn, precision):
    ready = snn.to_precision(precision)
    assert ready(X[:1]).shape == (1, 4)
    with pytest.raises(DataError, match="with at least one sample"):
        ready(X[:0])


NETWORKS = {
    "linear": (lambda: nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 3)), (5,)),
    "average pool": (lambda: nn.Sequential(conv(3, 6), nn.ReLU(), nn.AvgPool2d(2), conv(6, 4), nn.ReLU()), (3, 6, 6)),
    "pool before": (lambda: nn.Sequential(conv(3, 6), nn.AdaptiveAvgPool2d(3), nn.ReLU(), conv(6, 4)), (3, 6, 6)),
    "depthwise": (lambda: nn.Sequential(conv(4, 4, groups=4), nn.ReLU(), conv(4, 8, groups=2), nn.ReLU6()), (4, 5, 5)),
    "linear bottleneck": (
        lambda: Lambda(
            lambda m, x: m.c(F.relu(m.b(F.relu(m.a(x))) + m.s(x))),
            a=conv(3, 6),
            b=conv(6, 3),
            s=conv(3, 3),
            c=conv(3, 2),
        ),
        (3, 5, 5),
    ),
    "dense": (
        lambda: Lambda(
            lambda m, x: m.b(torch.cat([y := F.relu(m.a(x)), F.relu(m.c(y))], 1)),
            a=conv(3, 4),
            c=conv(4, 4),
            b=conv(8, 2),
        ),
        (3, 5, 5),
    ),
    "transposed": (
        lambda: nn.Sequential(conv(3, 4), nn.ReLU(), nn.ConvTranspose2d(4, 3, 2, stride=2), nn.ReLU()),
        (3, 4, 4),
    ),
    "one dimension": (lambda: nn.Sequential(nn.Conv1d(3, 6, 3), nn.ReLU(), nn.Conv1d(6, 4, 3)), (3, 9)),
    "upsampled": (lambda: nn.Sequential(conv(3, 4), nn.ReLU(), nn.Upsample(scale_factor=2), conv(4, 3)), (3, 4, 4)),
    "coded input": (lambda: nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 3)), (5,)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_whole_numbers_stay_close_to_their_floats(name):
    build, shape = NETWORKS[name]
    x = torch.randn(32, *shape)
    settings = Settings(input="css") if name == "coded input" else Settings()
    model = build().eval()
    snn = convert(model, [x], code=CSS(8, 2), settings=settings, progress=False)
    integer = snn.to_precision("int8")
    assert ratio(integer(x), model(x).detach()) > 22
    assert same(integer(x), integer(x, scheduler="clocked"))


REFUSED = [
    (nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), {"settings": Settings(bias="spread")}, "as one whole"),
    (
        nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)),
        {"code": CSS(beta=1.5)},
        "needs a whole beta; the code has",
    ),
]


@pytest.mark.parametrize(("model", "options", "message"), REFUSED, ids=[m for *_, m in REFUSED])
def test_what_int8_cannot_do_is_refused_with_the_layer(model, options, message):
    snn = convert(model, [torch.rand(8, 5)], progress=False, **options)
    with pytest.raises(ConversionError, match=message):
        snn.to_precision("int8")


def test_sums_that_could_overflow_are_refused_with_the_layer():
    snn = convert(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), [torch.rand(8, 5)], progress=False)
    wide = {
        "2": {"weight": torch.ones(2, 600_000)},
        "1": dict.fromkeys(("theta", "start", "mean"), torch.ones(600_000)),
    }
    wide["0"] = {"weight": torch.ones(600_000, 5), "bias": torch.zeros(600_000)}
    shapes = {"0": (600_000,), "1": (600_000,)}
    nodes = tuple(
        replace(node.with_tensors(**wide.get(node.name, {})), shape=shapes.get(node.name, node.shape))
        for node in snn.graph.nodes
    )
    with pytest.raises(
        ConversionError, match=r"the sums of 2 \(aten.linear.default\) could reach 1.94e\+07, beyond the 1.68e"
    ):
        to_integers(replace(snn.plan, graph=replace(snn.graph, nodes=nodes)))


def test_a_network_of_a_version_that_kept_no_ranges_says_so(snn):
    nodes = tuple(replace(node, arguments={}) if node.kind == "input" else node for node in snn.graph.nodes)
    with pytest.raises(ConversionError, match="the range of the input inputs_0 is not known"):
        to_integers(replace(snn.plan, graph=replace(snn.graph, nodes=nodes)))


UNKNOWN = """
import torch
from canonic.conversion import convert
snn = convert(torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)), [torch.rand(8, 4)])
try:
    snn.to_precision("int4")
except ValueError as error:
    print(error)
"""


def test_an_unknown_precision_names_the_known():
    """In a process of its own: here the types are checked first, which users do not do."""
    done = subprocess.run([sys.executable, "-c", UNKNOWN], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "precision must be one of fp32, bf16x2, bf16, int8, got 'int4'"


@pytest.mark.parametrize("settings", [Settings(), Settings(input="css")], ids=["direct", "css"])
@pytest.mark.parametrize("precision", get_args(Precision))
def test_whoever_looks_sees_the_same_spikes(precision, settings):
    """The run that answers, the one that is counted, the traces, the verdict: one program, one set of spikes."""
    here = convert(network(), [X], code=CSS(6, 1), settings=settings, progress=False).to_precision(precision)
    seen, counted = here.trace(X), {}
    readout = here.readout(X, observe=lambda node, _, done: counted.update({node.name: done}))
    assert torch.equal(readout[-1], here(X))
    for name, trace in seen.items():
        assert torch.equal(counted[name].spikes.float(), trace.spikes[-6:])
    parts = [here.trace(part) for part in X.split(5)]
    for name, trace in seen.items():
        assert torch.equal(torch.cat([part[name].spikes for part in parts], 1), trace.spikes)
    ticks = here.readout(X, scheduler="clocked")
    assert torch.allclose(ticks, readout, rtol=0, atol=1e-4)


def test_many_digits_of_the_layer_that_reads_the_input_are_the_same_in_any_batch():
    """Of a convolution that oneDNN adds up in another order for a batch of one."""
    x, first = torch.randn(9, 6, 6, 8), nn.Conv2d(6, 16, 2, padding=1)
    snn = convert(nn.Sequential(first, nn.ReLU(), conv(16, 1)).eval(), [x], code=CSS(16, 2), progress=False)
    [(name, whole)] = snn.trace(x).items()
    parts = torch.cat([snn.trace(part)[name].spikes for part in x.split(1)], 1)
    assert torch.equal(parts, whole.spikes)
