"""What a format cannot hold is refused by the names of its nodes, and what the message advises works."""

import onnxruntime
import pytest
import torch
from torch import nn

import canonic
from canonic.codes.encoders import Poisson
from canonic.errors import ExportError
from canonic.export.integers import save_integers
from canonic.export.module import Stepping
from canonic.export.nir import save_nir
from canonic.export.onnx import save_onnx, save_onnx_step
from canonic.export.trains import save_events
from canonic.learn import LIF, MPE, PSN, Encode, Population, Stochastic, as_network
from canonic.network import SpikingNetwork
from tests.lambdas import Lambda
from tests.test_nir import converted


def net(*rules):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 9), *map(Population, rules), nn.Linear(9, 2))


def trained(module, seed=1):
    return as_network(module, torch.rand(2, 4), steps=4, seed=seed)


CHANCE = {
    "neurons": (lambda: trained(net(Stochastic(), LIF())), r"Stochastic \(1\) draw"),
    "inputs": (lambda: trained(nn.Sequential(Encode(Poisson(4)), *net(LIF()))), r"PoissonTrain \(0\) draw"),
    "estimates": (lambda: trained(net(MPE())), r"MPE \(1\) draw: as_network\(..., seed=None\)"),
}


@pytest.mark.parametrize("kind", CHANCE)
def test_chance_is_refused_by_name_and_its_spikes_can_be_written(kind, tmp_path):
    make, told = CHANCE[kind]
    snn = make()
    with pytest.raises(ExportError, match=f"ONNX cannot hold chance, and {told}.*--to events, the spikes of a run"):
        save_onnx(snn, tmp_path / "a")
    for write in (save_nir, save_onnx_step, save_integers):
        with pytest.raises(ExportError, match="take --to events, the spikes of a run"):
            write(snn, tmp_path / "a")
    assert len(save_events(snn, tmp_path / "a.npz", torch.rand(3, 4)).time)


def answers(path, x):
    """Return what onnxruntime says."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


def test_neurons_that_read_all_steps_have_no_single_one(tmp_path):
    snn, x = trained(net(PSN(torch.rand(4, 4)))), torch.rand(3, 4)
    with pytest.raises(ExportError, match="1: its rule PSN has no steps: take all steps as one graph, --to onnx"):
        save_onnx_step(snn, tmp_path / "a")
    save_onnx(snn, tmp_path / "a.onnx")
    assert torch.allclose(answers(tmp_path / "a.onnx", x), snn(x), atol=1e-6)


def test_a_network_whose_nodes_want_samples_one_by_one_is_a_graph_of_one(tmp_path):
    """A token that is put in front of each sample."""
    torch.manual_seed(0)
    model = Lambda(lambda m, x: m.b(torch.relu(m.a(torch.cat((m.t.weight.expand(len(x), 1, 4), x), 1))).flatten(1)),
                   t=nn.Embedding(1, 4), a=nn.Linear(4, 9), b=nn.Linear(36, 2))  # fmt: skip
    snn = canonic.convert(model.eval(), [torch.rand(16, 3, 4)], code="css:2", progress=False)
    assert [node.name for node in snn.graph.nodes if node.alone] == ["cat"]
    save_onnx(snn, tmp_path / "a.onnx")
    x = torch.rand(1, 3, 4)
    assert torch.allclose(answers(tmp_path / "a.onnx", x), snn(x), atol=1e-6)


def test_estimates_without_a_seed_are_a_graph(tmp_path):
    snn = trained(net(MPE()), seed=None)
    save_onnx(snn, tmp_path / "a.onnx")
    assert len(Stepping(snn).rest(3)) > 0


def functions():
    return nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 9), nn.GELU(), nn.Linear(9, 2))


NETWORKS = {
    "neurons that were trained": (
        lambda: as_network(nn.Sequential(nn.Linear(4, 9), Population(LIF())), torch.rand(2, 4), 2, readout="first"),
        (save_integers, r"css, not LIF \(1\): take --to onnx, which holds all"),
        (save_onnx_step, "the first event answers: take all steps as one graph, --to onnx"),
    ),
    "functions": (
        lambda: converted(functions, (4,), "css:2"),
        (save_integers, r"no node for 3 \(aten.gelu.default\): take --to onnx, which holds all operators"),
        (save_nir, "3: gelu, a function unit: take --to onnx, which holds all operators"),
    ),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_onnx_holds_what_it_is_advised_for(kind, tmp_path):
    make, *refused = NETWORKS[kind]
    snn = make()
    for write, told in refused:
        with pytest.raises(ExportError, match=told):
            write(snn, tmp_path / "a")
    assert not list(tmp_path.iterdir())
    save_onnx(snn, tmp_path / "a.onnx")


@pytest.mark.parametrize(("record", "remedy"), [({}, "convert with css, or take"), ({"training": {}}, "take")])
def test_what_was_trained_in_a_code_is_not_told_to_take_another(record, remedy, tmp_path):
    snn = SpikingNetwork(converted(functions, (4,), "signed-rate:2").plan, record)
    with pytest.raises(ExportError, match=rf"css, not signed-rate \(1, 3.*\): {remedy} --to onnx"):
        save_integers(snn, tmp_path / "a")


def test_where_all_populations_are_alike_only_their_kind_is_named(tmp_path):
    layers = [layer for _ in range(5) for layer in (nn.Linear(4, 4), Population(LIF()))]
    with pytest.raises(ExportError, match=r"css, not LIF \(all 5 populations\): take --to onnx"):
        save_integers(trained(nn.Sequential(*layers)), tmp_path / "a")
