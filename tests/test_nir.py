"""NIR: what a network does is what an interpreter of numpy reads out of the file, spike for spike."""

import json
from contextlib import suppress
from dataclasses import replace
from functools import cache

import h5py
import nir
import numpy as np
import pytest
import torch
from benchmarks.resnet import ResNet
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import canonic
from canonic import CSS
from canonic.errors import CanonicError, ExportError, StorageError
from canonic.export.nir import from_nir, load_nir, save_nir, to_nir
from canonic.frontend import export
from canonic.learn import IF, LIF, MPE, Integrator, Leaky, Population, as_network, unroll
from tests.commands import run
from tests.lambdas import Lambda
from tests.networks import lively
from tests.nir_interpreter import Network


@cache
def program(make, shape):
    torch.manual_seed(1)
    return export(lively(make()).float(), torch.rand(2, *shape))


@cache
def converted(make, shape, code):
    torch.manual_seed(1)
    return canonic.convert(program(make, shape), [torch.rand(16, *shape)], code=code, progress=False)


def doubled(snn):
    """Return a network in float64, where no sum depends on its order in the digits that decide."""
    return replace(snn, plan=replace(snn.plan, graph=snn.graph.map_tensors(lambda t: t.double())))


def fires(node):
    return node.neurons.rule is None or node.neurons.rule.fires


def require_same_spikes(snn, x, path):
    """Write, read with numpy, and compare all spikes and the answer after each step."""
    snn, x = doubled(snn), x.double()
    save_nir(snn, path)
    answers, sent = Network(path).run(x.numpy())
    spikes = 0
    for name, layer in snn.trace(x).items():
        begin = snn.graph.first_steps[name] - snn.graph[name].silent
        mine = sent[f"{name}:1" if f"{name}:1" in sent else name][begin : begin + len(layer.spikes)]
        assert np.array_equal(mine, layer.spikes.numpy()) or not fires(snn.graph[name]), name
        spikes += int(layer.spikes.count_nonzero())
    wanted = snn.readout(x)[-len(answers["output"]) :]
    assert np.allclose(answers["output"], wanted.numpy(), rtol=1e-9, atol=1e-12)
    assert spikes > 50
    return snn


def resnet():
    return ResNet(1)


def vgg():
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        *(nn.Conv2d(6, 8, 3, padding=1, groups=2), nn.ReLU6(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32, 3)),
    )


CODES = [
    *(CSS(), CSS(steps=4, silent=0, levels=8), CSS(silent=2, phi=0.6), CSS(steps=4, beta=4.0, levels=3)),
    *(CSS(steps=6, silent=0, levels=4, powers=True), "count:8"),
    *("rate:8", "signed-rate:8", "phase:8", "latency:8", "burst:4", "binary:6", "multi-threshold:4", "few-spike:6"),
]


@pytest.mark.parametrize("code", CODES, ids=str)
def test_a_vgg_with_max_pooling(code, tmp_path):
    require_same_spikes(converted(vgg, (3, 8, 8), code), torch.rand(3, 3, 8, 8), tmp_path / "a.nir")


@pytest.mark.parametrize("code", [CSS(), "rate:8"], ids=str)
def test_a_resnet(code, tmp_path):
    snn = converted(resnet, (3, 16, 16), code)
    require_same_spikes(snn, torch.rand(2, 3, 16, 16), tmp_path / "a.nir")
    delays = [name for name, node in nir.read(tmp_path / "a.nir").nodes.items() if isinstance(node, nir.Delay)]
    assert bool(delays) == (snn.graph.silent[1] > 0)


ODD = {
    "lines": (lambda: nn.Sequential(nn.Conv1d(3, 6, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(30, 3)), (3, 9)),
    "same padding": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3, padding="same", dilation=2), nn.ReLU(), nn.Conv2d(6, 2, 1)),
        (3, 8, 8),
    ),
    "kernels that are no squares": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, (3, 1)), nn.ReLU(), nn.Conv2d(6, 2, (1, 5), padding=(0, 2))),
        (3, 8, 8),
    ),
    "a difference": (
        lambda: Lambda(lambda m, x: m.c(torch.relu(m.a(x)) - torch.relu(m.b(x))), a=nn.Linear(9, 9), b=nn.Linear(9, 9), c=nn.Linear(9, 4)),
        (9,),
    ),
    "twice": (
        lambda: Lambda(lambda m, x: (y := torch.relu(m.a(x))) + torch.relu(m.b(y)) + y, a=nn.Linear(30, 9), b=nn.Linear(9, 9)),
        (30,),
    ),
    "global maximum": (
        lambda: Lambda(lambda m, x: m.b(torch.relu(m.a(x)).amax((2, 3))), a=nn.Conv2d(3, 9, 3), b=nn.Linear(9, 2)),
        (3, 6, 6),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_other_maps(kind, tmp_path):
    make, shape = ODD[kind]
    require_same_spikes(converted(make, shape, CSS()), torch.rand(4, *shape), tmp_path / "a.nir")


def test_biases_that_are_spread_and_inputs_that_are_coded(tmp_path):
    settings = canonic.Settings(bias="spread", input="css")
    snn = canonic.convert(vgg().eval(), [torch.rand(8, 3, 8, 8)], code=CSS(), settings=settings, progress=False)
    require_same_spikes(snn, torch.rand(2, 3, 8, 8), tmp_path / "a.nir")


RULES = [
    *(LIF(leak=0.5), LIF(leak=0.75, reset="hard"), LIF(leak=1.0, theta=0.5), Leaky(leak=0.5), IF(theta=0.75, at=0.5)),
    LIF(leak=torch.linspace(0.25, 0.75, 6)[:, None, None], theta=torch.tensor(0.5)),
]


def trained(rule, tail=()):
    torch.manual_seed(2)
    body = (nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), Population(rule), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(96, 12), Population(LIF(leak=0.5)), nn.Linear(12, 3), *tail).eval()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{type(rule).__name__} {getattr(rule, 'reset', '')}")
def test_a_trained_network(rule, tmp_path):
    snn = as_network(trained(rule), 3 * torch.rand(2, 1, 8, 8), steps=9)
    require_same_spikes(snn, 3 * torch.rand(3, 1, 8, 8), tmp_path / "a.nir")
    reset = json.loads(nir.read(tmp_path / "a.nir").nodes["2"].metadata["canonic"]).get("reset")
    assert reset == getattr(rule, "reset", None)


def test_recurrent_neurons_sequences_and_an_answer_that_adds_up(tmp_path):
    torch.manual_seed(3)
    recurrent = Population(LIF(leak=0.75), recurrent=nn.Linear(20, 20))
    net = nn.Sequential(nn.Linear(7, 20), recurrent, nn.Linear(20, 4), Population(Integrator(leak=0.5))).eval()
    snn = as_network(net, torch.randn(11, 2, 7), readout="last")
    require_same_spikes(snn, 2 * torch.randn(3, 11, 7), tmp_path / "a.nir")
    assert torch.equal(
        load_nir(tmp_path / "a.nir").graph["1"].tensors["recurrent"], recurrent.recurrent.weight.double()
    )


@pytest.mark.parametrize(
    "make", [lambda: converted(vgg, (3, 8, 8), CSS()), lambda: converted(resnet, (3, 16, 16), "rate:8")]
)
def test_what_is_read_is_what_was_written(make, tmp_path):
    snn = make()
    save_nir(snn, tmp_path / "a.nir")
    again, x = load_nir(tmp_path / "a.nir"), torch.rand(4, *snn.graph[snn.graph.inputs[0]].shape)
    assert torch.equal(again(x), snn(x))
    assert torch.equal(again.source(x), snn.source(x))
    assert json.loads(json.dumps(snn.record)) == again.record
    evaluations = [canonic.evaluate(one, [x], reference=None, progress=False) for one in (again, snn)]
    assert len({one.spikes_per_neuron for one in evaluations}) == 1


def test_graphs_are_sound_for_the_package_of_nir(tmp_path):
    snn = converted(vgg, (3, 8, 8), "rate:8")
    save_nir(snn, tmp_path / "a.nir")
    graph = nir.read(tmp_path / "a.nir", type_check=False)  # with it nir takes no convolution in groups
    kinds = [type(node).__name__ for node in graph.nodes.values()]
    assert kinds.count("Input") == 1
    assert {"Conv2d", "IF", "Affine", "AvgPool2d", "Flatten", "Scale", "Output"} >= set(kinds) - {
        "Input",
        "SumPool2d",
        "Threshold",
    }


def test_a_trained_network_of_plain_nodes_comes_back_as_a_module(tmp_path):
    net = trained(LIF(leak=0.75), (Population(Integrator(leak=0.5)),))
    net[3] = nn.AvgPool2d(2)
    net[5].weight.data.mul_(6)
    x = 6 * torch.rand(3, 1, 8, 8)
    save_nir(as_network(net, x, steps=6), tmp_path / "a.nir")
    again = from_nir(tmp_path / "a.nir", reset="soft")
    wanted = unroll(net, x, steps=6).output
    assert torch.allclose(unroll(again, x, steps=6).output, wanted, atol=1e-5)
    hard = from_nir(tmp_path / "a.nir", reset="hard")
    assert not torch.allclose(unroll(hard, x, steps=6).output, wanted, atol=1e-5)


def ones(*shape):
    return np.ones(shape, np.float32)


def cuba(tau=4e-4, reset=0.0):
    return nir.CubaLIF(tau * ones(3), 2e-4 * ones(3), 2 * ones(3), 0 * ones(3), ones(3), reset * ones(3), 4 * ones(3))


def test_current_based_neurons_of_others(tmp_path):
    """I = 3/4 I + x; v = v / 2 + I, with the gains of their time constants."""
    nodes = {"in": nir.Input({"input": np.array([3])}), "lif": cuba(), "out": nir.Output({"output": np.array([3])})}
    nir.write(tmp_path / "a.nir", nir.NIRGraph(nodes, [("in", "lif"), ("lif", "out")]))
    x = torch.tensor([[0.1, 0.25, 0.6]])
    found = unroll(from_nir(tmp_path / "a.nir"), x, steps=8).output[:, 0]
    current, v, spikes = np.zeros(3), np.zeros(3), []
    for _ in range(8):
        current = 0.75 * current + x[0].numpy()
        v = 0.5 * v + current
        spikes.append(v >= 1)
        v[spikes[-1]] = 0
    assert found.tolist() == np.array(spikes, float).tolist()


REFUSED = {
    "a function": (lambda: converted(lambda: nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.LayerNorm(9), nn.GELU()), (4,), CSS()), r"2: layer_norm, a function unit; 3: gelu, a function unit"),
    "a rule": (lambda: as_network(nn.Sequential(nn.Linear(4, 9), Population(MPE())), torch.rand(2, 4), steps=4), "1: neurons of the rule MPE"),
    "a code": (lambda: converted(lambda: nn.Sequential(nn.Linear(4, 9), nn.ReLU()), (4,), "growing-burst:8"), "1: neurons of the code growing-burst"),
    "integers": (lambda: converted(lambda: nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 2)), (4,), CSS()).to_precision("int8"), "holds networks of floats, this one is int8"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_nir_cannot_hold_is_refused_by_name(kind):
    make, message = REFUSED[kind]
    with pytest.raises(ExportError, match=message):
        to_nir(make())


FOREIGN = {
    "a delay": ({"d": nir.Delay(ones(3))}, [("in", "d"), ("d", "out")], "d: Delay is no map"),
    "a reset": ({"d": cuba(reset=0.5)}, [("in", "d"), ("d", "out")], "d: CubaLIF with v_reset other than 0"),
    "a time constant": ({"d": cuba(tau=1e-5)}, [("in", "d"), ("d", "out")], "not longer than a step of 0.0001 s"),
    "a cycle": ({"d": nir.Scale(ones(3)), "e": nir.Scale(ones(3))}, [("in", "d"), ("d", "e"), ("e", "d"), ("e", "out")], "cycle that is no matrix of one population: d, e, out"),
    "two inputs": ({"d": nir.Input({"input": np.array([3])})}, [("in", "out"), ("d", "out")], "Input: there are 2 of them"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
def test_graphs_of_others_without_an_equal_are_refused_by_name(kind, tmp_path):
    more, edges, message = FOREIGN[kind]
    nodes = {"in": nir.Input({"input": np.array([3])}), "out": nir.Output({"output": np.array([3])}), **more}
    nir.write(tmp_path / "a.nir", nir.NIRGraph(nodes, edges, type_check=False))
    with pytest.raises(ExportError, match=message):
        from_nir(tmp_path / "a.nir")
    with pytest.raises(StorageError, match="a.nir is of others: its metadata have no key 'canonic'; .*from_nir"):
        load_nir(tmp_path / "a.nir")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("nir") / "a.nir"
    save_nir(converted(lambda: nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 2)), (4,), CSS()), path)
    return path


def hostile(change):
    """Return a change of a file by h5py."""

    def changed(path):
        with h5py.File(path, "a") as file:
            change(file)

    return changed


def replaced(file, name, value):
    del file[name]
    file[name] = value


HOSTILE = {
    "another version": (lambda f: replaced(f, "version", "7.0"), "is of NIR '7.0', and versions 0, 1 are read"),
    "a huge array": (
        lambda f: f.create_dataset("node/nodes/0/huge", (2**40, 2**10), "f8", chunks=(1, 1024)),
        "arrays far larger than a file of",
    ),
    "a file elsewhere": (lambda f: f.__setitem__("node/x", h5py.ExternalLink("/etc/passwd", "/")), "'x' is a link to another place"),
    "a soft link": (lambda f: f.__setitem__("node/x", h5py.SoftLink("/node")), "'x' is a link to another place"),
    "a cycle": (lambda f: f.__setitem__("node/x", f["node"]), "in two places, or itself"),
    "two places": (lambda f: f.__setitem__("node/x", f["node/nodes/0"]), "in two places, or itself"),
    "depth": (lambda f: f.create_group("/".join("x" * 20)), "more than 12 deep"),
    "an object": (lambda f: f.create_dataset("x", data=f.ref, dtype=h5py.ref_dtype), "'x' is no array of numbers"),
    "no graph": (lambda f: f.__delitem__("node/nodes"), "holds no graph of NIR, but"),
    "a type": (lambda f: f.__setitem__("node/x", np.dtype("f8")), "'x' is no array of numbers"),
    "many texts": (
        lambda f: f.create_dataset("node/x", (2**20, 2**10), h5py.string_dtype(), chunks=(1, 1024)),
        "'x' are more texts than a file of",
    ),
    "another format": (lambda f: replaced(f, "node/metadata/canonic", json.dumps({"format": "canonic nir 9"})), "of the format 'canonic nir 9', and 'canonic nir 1' is read"),
    "no plan": (lambda f: replaced(f, "node/metadata/canonic", json.dumps({"format": "canonic nir 1"})), "is damaged .KeyError"),
    "no weights": (lambda f: f.__delitem__("node/nodes/0/weight"), "is damaged .KeyError"),
    "other weights": (lambda f: replaced(f, "node/nodes/0/weight", np.ones((3, 2))), r"has the shape \[3, 2\], where \[9, 4\] was written"),
    "NaN": (lambda f: f["node/nodes/0/weight"].write_direct(np.full((9, 4), np.nan, np.float32)), "NaN"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_files_that_are_not_to_be_trusted(kind, file, tmp_path):
    change, message = HOSTILE[kind]
    (path := tmp_path / "evil.nir").write_bytes(file.read_bytes())
    hostile(change)(path)
    with pytest.raises(StorageError, match=f"evil.nir .*{message}"):
        load_nir(path)


def test_a_text_that_stands_for_many_is_not_copied(file, tmp_path):
    (path := tmp_path / "evil.nir").write_bytes(file.read_bytes())
    with h5py.File(path, "a") as changed:
        place = changed.create_dataset("node/x", data=["long" * 5000, *"s" * 4000]).id.get_offset()
    content = path.read_bytes()
    path.write_bytes(content[:place] + 4001 * content[place : place + 16] + content[place + 4001 * 16 :])
    with pytest.raises(StorageError, match="evil.nir .*its texts are longer than a file of"):
        load_nir(path)


CHANGES = st.one_of(
    st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=1)), min_size=1, max_size=8),
    st.tuples(st.tuples(st.integers(0, 2**20), st.sampled_from([b"\x00" * 8, b"\xff" * 8, b"\x7f" * 8]))),
)


@given(CHANGES)
def test_files_with_bytes_changed_are_refused_or_read(file, changes):
    content = bytearray(file.read_bytes())
    for place, value in changes:
        place %= len(content) - len(value)
        content[place : place + len(value)] = value
    path = file.with_name("changed.nir")
    path.write_bytes(content)
    for read in (load_nir, from_nir):
        with suppress(CanonicError):
            read(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(StorageError, match="there is no file .*none.nir"):
        load_nir(tmp_path / "none.nir")
    (tmp_path / "a.nir").write_bytes(b"no HDF5")
    with pytest.raises(StorageError, match="a.nir is no file of NIR, or it is damaged"):
        from_nir(tmp_path / "a.nir")


def test_truncated_files_are_refused(file, tmp_path):
    content = file.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 60)):
        (path := tmp_path / "short.nir").write_bytes(content[:length])
        with pytest.raises(CanonicError):
            load_nir(path)


def test_the_command_writes_what_can_be_read_or_nothing(tmp_path):
    snn = converted(lambda: nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 2)), (4,), CSS())
    snn.save(tmp_path / "snn.safetensors")
    assert "written to" in run(tmp_path, "export", "--to", "nir", "snn.safetensors", "snn.nir").stdout
    x = torch.rand(3, 4)
    assert torch.equal(load_nir(tmp_path / "snn.nir")(x), snn(x))
    refused = run(tmp_path, "export", "--to", "nir", "snn.safetensors", "./snn.safetensors")
    assert refused.returncode == 2
    assert "snn.safetensors is the network itself" in " ".join(refused.stderr.replace("│", "").split())
    assert torch.equal(canonic.load(tmp_path / "snn.safetensors")(x), snn(x))


def test_commands_open_a_file_of_nir_where_they_open_a_network(file, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random((5, 4), dtype=np.float32))
    (tmp_path / "a.nir").write_bytes(file.read_bytes())
    load_nir(file).save(tmp_path / "a.safetensors")
    told = []
    for name in ("a.nir", "a.safetensors"):
        done = run(tmp_path, "evaluate", name, "--data", "x.npz", "--json")
        told.append({k: v for k, v in json.loads(done.stdout).items() if k not in ("latency", "made")})
    assert told[0] == told[1]
    assert "layer" in run(tmp_path, "verify", "a.nir", "--data", "x.npz").stdout
    nir.write(
        tmp_path / "b.nir",
        nir.NIRGraph(
            {"in": nir.Input({"input": np.array([3])}), "out": nir.Output({"output": np.array([3])})}, [("in", "out")]
        ),
    )
    for command in ("evaluate", "verify"):
        done = run(tmp_path, command, "b.nir", "--data", "x.npz")
        assert done.returncode == 1
        assert (
            "b.nir is of others: its metadata have no key 'canonic'; canonic.export.nir.from_nir makes" in done.stderr
        )
