"""Integer networks as files: what numpy reads out of one is what the integer network does, spike for spike."""

import json
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

import canonic
from canonic import CSS
from canonic.cli.demo import DigitNet
from canonic.errors import ExportError, StorageError
from canonic.export.integers import load_integers, run, save_integers, to_integer_network
from canonic.learn import LIF, Population, as_network
from canonic.measure.fanout import fan_out
from canonic.network.layerwise import layerwise
from canonic.neurons import Scan
from tests import commands
from tests.networks import build, lively

CODES = [
    CSS(),
    CSS(6, 0, levels=8),
    CSS(4, 1, beta=4.0, levels=3),
    CSS(5, 0, levels=4, powers=True),
    CSS(6, 2, phi=0.6),
]
NETWORKS = [
    *(
        "conv2d",
        "conv1d",
        "conv3d",
        "grouped",
        "same padding",
        "relu6",
        "linear bn",
        "residual",
        "twice the same",
        "concat",
    ),
    *(
        "average pooling",
        "global mean",
        "max pooling",
        "max pooling with holes",
        "adaptive max",
        "max pooling 3d",
        "nearest",
    ),
    *("assignment, shifted", "channel shuffle", "relu of the input"),
]


@cache
def converted(name, code):
    torch.manual_seed(0)
    model, shape = build(name)
    x = torch.randn(16, *shape)
    return canonic.convert(model.float(), [x], code=code, progress=False), x[:3]


def spikes_of(snn, x):
    found = {}

    def keep(node, _, result):
        if isinstance(result, Scan):
            found[node.name] = result.spikes.numpy()

    layerwise(snn.to_precision("int8").clocked_plan, [x], keep)
    return found


def require_same(snn, x, network):
    ran, wanted = run(network, x.numpy()), spikes_of(snn, x)
    assert ran.spikes.keys() == wanted.keys()
    assert all(np.array_equal(ran.spikes[name], spikes) for name, spikes in wanted.items())
    answers = snn.to_precision("int8")(x)
    for mine, other in zip(ran.answers, [answers] if torch.is_tensor(answers) else answers, strict=True):
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_numpy_reads_the_same_spikes_out_of_a_file(name, tmp_path):
    """Three networks in three codes, each other in one of them: conversions are what takes time."""
    turn = NETWORKS.index(name) % 3
    for code in CODES[:3] if name in ("conv2d", "residual", "max pooling") else CODES[turn : turn + 1]:
        snn, x = converted(name, code)
        save_integers(snn, tmp_path / "a.safetensors")
        require_same(snn, x, load_integers(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("code", CODES[3:], ids=repr)
@pytest.mark.parametrize("name", ["conv2d", "relu6", "residual"])
def test_powers_and_bars_above_a_half(name, code):
    snn, x = converted(name, code)
    require_same(snn, x, to_integer_network(snn))


def test_the_digits_network(tmp_path):
    torch.manual_seed(0)
    digits = torch.rand(40, 1, 8, 8)
    snn = canonic.convert(lively(DigitNet()).float(), [digits], code=CSS(), progress=False)
    save_integers(snn, tmp_path / "a.safetensors")
    require_same(snn, digits[:5], load_integers(tmp_path / "a.safetensors"))


def test_delays_and_fan_outs_are_those_of_the_graph():
    snn, _ = converted("long and short branch", CSS())
    network, plan = to_integer_network(snn), snn.to_precision("int8").clocked_plan
    by_name = {node.name: node for node in network.nodes}
    for node in network.nodes:
        assert [by_name[name].first + delay for name, delay in zip(node.reads, node.delays, strict=True)] == [
            node.first - plan.graph[node.name].silent
        ] * len(node.reads)
        if "fan_out" in node.arrays:
            assert np.array_equal(node.arrays["fan_out"], fan_out(plan.graph, plan.graph[node.name]).numpy())
    assert max(max(node.delays, default=0) for node in network.nodes) == 2


def test_what_has_no_kind_is_refused_by_name():
    snn, _ = converted("transposed 2d", CSS())
    with pytest.raises(ExportError, match=r"no node for 0 \(aten.conv_transpose2d.input\), 2 \(aten.conv_transpose2d"):
        to_integer_network(snn)
    rate = canonic.convert(*_small(), code="rate:8", progress=False)
    with pytest.raises(ExportError, match=r"holds networks in the family of css, not rate \(1\).*: convert with css"):
        to_integer_network(rate)


def test_a_network_that_was_trained_in_floats_is_refused_and_nothing_is_written(tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(4, 9), Population(LIF()), torch.nn.Linear(9, 2)).eval()
    snn = as_network(net, torch.rand(2, 4), steps=4)
    with pytest.raises(ExportError, match=r"holds networks in the family of css, not LIF \(1\): take --to onnx"):
        save_integers(snn, tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


def _small():
    torch.manual_seed(0)
    model, shape = build("relu module")
    return model.float(), [torch.randn(16, *shape)]


def test_command(tmp_path):
    snn, x = converted("max pooling", CSS())
    snn.save(tmp_path / "a.safetensors")
    done = commands.run(tmp_path, "export", "--to", "int8", "a.safetensors", "b.safetensors")
    assert done.returncode == 0
    assert "written to b.safetensors" in done.stdout
    require_same(snn, x, load_integers(tmp_path / "b.safetensors"))


def test_files_that_are_none(tmp_path):
    with pytest.raises(StorageError, match="there is no file"):
        load_integers(tmp_path / "none")
    (tmp_path / "a").write_bytes(b"no tensors")
    with pytest.raises(StorageError, match="a is no integer network, or it is damaged"):
        load_integers(tmp_path / "a")
    converted("conv2d", CSS())[0].save(tmp_path / "b")
    with pytest.raises(StorageError, match="b is of the format 'canonic network 2', and 'canonic integers 1' is read"):
        load_integers(tmp_path / "b")


def written(path, change):
    """Write a file with its network or its arrays changed."""
    save_integers(converted("max pooling", CSS())[0], path)
    with safe_open(path, "numpy") as file:
        network, header = json.loads(file.metadata()["network"]), file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(network, arrays)
    save_file(arrays, path, {**header, "network": json.dumps(network)})


def setting(name, value, kind="convolution"):
    def change(network, arrays):
        node = next(node for node in network["nodes"] if node["kind"] == kind)
        place = node["numbers"] if name in node["numbers"] else node
        place[name] = value

    return change


def array(name, value):
    def change(_, arrays):
        key = next(key for key in arrays if key.endswith(f"/{name}"))
        arrays[key] = value(arrays[key])

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda network, arrays: network.update(steps=10**9),
        lambda network, arrays: network.update(radix=2.5),
        lambda network, arrays: network.update(outputs=["../../etc/passwd"]),
        lambda network, arrays: network["nodes"].reverse(),
        lambda network, arrays: network["nodes"].append(network["nodes"][0]),
        lambda network, arrays: network.pop("nodes"),
        setting("kind", "eval"),
        setting("reads", ["nowhere"]),
        setting("shape", [2**40, 2**40, 2]),
        setting("padding", [10**9, 10**9]),
        setting("stride", [0, 0]),
        setting("groups", 5),
        setting("delays", [-1]),
        setting("silent", 99, "population"),
        setting("levels", 0, "population"),
        setting("shape", [1], "input"),
        setting("most", float("nan"), "clip"),
        array("weight", lambda a: a[..., :0]),
        array("weight", lambda a: a.astype(np.float32)),
        array("shift", lambda a: a + 200),
        array("places", lambda a: a + 10**6),
        array("places", lambda a: 0 * a),
        array("threshold", lambda a: -a),
        array("bar", lambda a: a[:2]),
        array("factor", lambda a: a * np.float32("inf")),
        array("fan_out", lambda a: a[:1]),
    ],
)
def test_hostile_files_are_refused(change, tmp_path):
    written(tmp_path / "evil", change)
    with pytest.raises(StorageError, match=r"(?s)evil is (damaged|no integer network).*: export it again"):
        load_integers(tmp_path / "evil")


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_with_bytes_changed_or_cut_are_refused_or_run(tmp_path, data):
    path = tmp_path / "a"
    save_integers(converted("relu module", CSS())[0], path)
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        network = load_integers(path)
    except StorageError:
        return
    run(network, np.zeros((1, *network.inputs[0].shape), np.float32))


def test_inputs_of_another_shape_are_refused():
    snn, _ = converted("conv2d", CSS())
    with pytest.raises(canonic.DataError, match=r"the network reads \[\(3, 8, 8\)\], got \[\(3, 8\)\]"):
        run(to_integer_network(snn), np.zeros((2, 3, 8), np.float32))
