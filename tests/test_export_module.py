"""Networks as modules, in torch.export and in ONNX: all steps, or one with its state."""

import sys

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from canonic import CSS
from canonic.codes.hybrid import HybridInput
from canonic.errors import ExportError
from canonic.export.module import Stepping, Unrolled
from canonic.export.onnx import save_onnx, save_onnx_step
from canonic.learn import ALIF, IF, LIF, Encode, Integrator, Population, Stochastic, as_network
from canonic.neurons.edges import below
from tests.commands import run
from tests.test_nir import CODES, converted, trained, vgg


def functions():
    body = (nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 9), nn.GELU(), nn.LayerNorm(9))
    return nn.Sequential(*body, nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 2))


def small():
    return nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU6(), nn.Linear(9, 2))


def tiny():
    return nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 2))


def recurrent():
    torch.manual_seed(3)
    layers = (nn.Linear(7, 20), Population(ALIF(), recurrent=nn.Linear(20, 20, bias=False)), nn.Linear(20, 4))
    return as_network(
        nn.Sequential(*layers, Population(Integrator(leak=0.5))).eval(), torch.randn(6, 2, 7), readout="last"
    )


def checked():
    """Return a network whose rule has a field that is checked as it runs."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(4, 9), Population(LIF(leak=torch.rand(9))), nn.Linear(9, 2))
    return as_network(net.eval(), torch.rand(2, 4), steps=3)


def in_precision(precision, code):
    return lambda: converted(vgg, (3, 8, 8), code).to_precision(precision)


NETWORKS = {
    **{str(code): (lambda code=code: converted(vgg, (3, 8, 8), code)) for code in CODES},
    "functions in rate": lambda: converted(functions, (4,), "signed-rate:8"),
    "int8": in_precision("int8", CSS()),
    "int8 of levels": in_precision("int8", CSS(steps=4, silent=0, levels=8)),
    "bf16": in_precision("bf16", CSS()),
    **{f"{type(r).__name__} {i}": (lambda r=r: as_network(trained(r), torch.rand(2, 1, 8, 8), steps=5)) for i, r in enumerate((LIF(leak=0.5), IF(at=0.5)))},
    "recurrent": recurrent,
    "checked": checked,
}  # fmt: skip


def samples(snn):
    torch.manual_seed(4)
    node = snn.graph[snn.graph.inputs[0]]
    frames = (node.arguments["frames"],) if snn.plan.follows else ()
    return 2 * torch.rand(3, *frames, *node.shape)


def steps_of(snn, step, x, state):
    """Return the answers of all steps."""
    answers = []
    for t in range(1, snn.total_steps + 1):
        answer, *state = step(torch.tensor(t), x[:, t - 1] if snn.plan.follows else x, *state)
        answers.append(answer)
    return torch.stack(answers)


@pytest.mark.parametrize("kind", NETWORKS)
def test_modules_compute_what_the_clocked_scheduler_does(kind):
    snn = NETWORKS[kind]()
    x = samples(snn)
    close = {"rtol": 1e-5, "atol": 1e-6}
    assert torch.allclose(Unrolled(snn)(x), snn(x, scheduler="clocked"), **close)
    module = Stepping(snn)
    assert torch.allclose(steps_of(snn, module, x, module.rest(3)), snn.readout(x, scheduler="clocked"), **close)


def test_a_module_lives_among_modules():
    snn = converted(small, (4,), CSS(steps=4))
    x, model = torch.rand(3, 4), nn.Sequential(Unrolled(snn), nn.Softmax(-1)).eval().double()
    assert torch.allclose(model(x.double()), snn(x).softmax(-1).double(), atol=1e-6)
    other = Unrolled(snn)
    other.load_state_dict({name: torch.zeros_like(value) for name, value in other.state_dict().items()})
    assert other(x).count_nonzero() == 0
    assert Unrolled(snn)(x).count_nonzero() > 0
    assert {name.split(".")[-1] for name in model.state_dict()} >= {"_0_weight", "_0_bias", "_1_theta", "_4_weight"}


@pytest.mark.parametrize("make", [lambda: converted(tiny, (4,), CSS(steps=3)), recurrent, checked])
def test_modules_are_exported_for_any_number_of_samples(make):
    snn = make()
    below.cache_clear()  # what torch.export meets first
    x, batch = samples(snn), {0: torch.export.Dim("batch")}
    program = torch.export.export(Unrolled(snn), (x,), dynamic_shapes=((batch,),))
    many = torch.cat([x, x.flip(0), x])
    assert torch.allclose(program.module()(many), snn(many), atol=1e-6)
    module = Stepping(snn)
    given = (torch.tensor(1), x[:, 0] if snn.plan.follows else x, *module.rest(3))
    program = torch.export.export(module, given, dynamic_shapes=(({}, *(batch,) * (len(given) - 1)),))
    assert torch.allclose(steps_of(snn, program.module(), many, module.rest(9)), snn.readout(many), atol=1e-6)


def test_inputs_that_are_encoded_are_exported_with_all_steps_alone():
    net = nn.Sequential(Encode(HybridInput(3)), nn.Linear(4, 9), Population(LIF()), nn.Linear(9, 2))
    snn, x = as_network(net.eval(), torch.rand(2, 4)), torch.rand(3, 4)
    program = torch.export.export(Unrolled(snn), (x,), dynamic_shapes=(({0: torch.export.Dim("batch")},),))
    many = torch.cat([x, x.flip(0), x])
    assert torch.allclose(program.module()(many), snn(many), atol=1e-6)
    with pytest.raises(ExportError, match="0: its rule Encoded makes a train at its first step: take all steps as one"):
        Stepping(snn)


def test_onnxruntime_gives_the_same_answer_from_one_graph(tmp_path):
    snn = converted(tiny, (4,), CSS(steps=3, silent=0, levels=4))
    save_onnx(snn, tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    x = torch.rand(7, 4)
    assert np.allclose(session.run(["output"], {"input": x.numpy()})[0], snn(x).numpy(), atol=1e-6)


def test_onnxruntime_gives_the_same_answer_step_by_step(tmp_path):
    converted(tiny, (4,), CSS(steps=3)).save(tmp_path / "snn.safetensors")
    assert "written to" in run(tmp_path, "export", "--to", "onnx-step", "snn.safetensors", "a.onnx").stdout
    snn = converted(tiny, (4,), CSS(steps=3))
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    names, x = [one.name for one in session.get_inputs()], torch.rand(5, 4)

    def step(*given):
        return map(torch.tensor, session.run(None, dict(zip(names, (one.numpy() for one in given), strict=True))))

    assert names[:3] == ["step", "input", "state 0"]
    assert torch.allclose(steps_of(snn, step, x, Stepping(snn).rest(5)), snn.readout(x), atol=1e-6)


def test_what_a_graph_of_one_step_cannot_hold_is_named():
    snn = as_network(nn.Sequential(nn.Linear(4, 9), Population(Stochastic())), torch.rand(2, 4), steps=4, seed=1)
    with pytest.raises(ExportError, match="1: its rule Stochastic is random: take --to events"):
        Stepping(snn)
    with pytest.raises(ExportError, match="1: neurons of the code growing-burst, which count their steps; 3: neurons"):
        Stepping(converted(small, (4,), "growing-burst:8"))
    first = as_network(nn.Sequential(nn.Linear(4, 9), Population(LIF())), torch.rand(2, 4), steps=4, readout="first")
    with pytest.raises(
        ExportError, match="the answer: the first event answers: take all steps as one graph, --to onnx"
    ):
        Stepping(first)


def test_what_onnx_cannot_hold_is_said(tmp_path, monkeypatch):
    def fail(*_args, **_more):
        raise RuntimeError("Failed, next steps: ...") from KeyError("No ONNX function found for aten.special")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(
        ExportError, match="ONNX cannot hold the network: .No ONNX function found for aten.special.; take other layers"
    ):
        save_onnx(converted(tiny, (4,), CSS(steps=2)), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("package", "write"), [("onnx", save_onnx), ("onnx", save_onnx_step)])
def test_a_package_that_is_missing_is_named(package, write, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExportError, match="ONNX needs the packages onnx and onnxscript, .*pip install 'canonic.onnx.'"):
        write(converted(small, (4,), CSS(steps=4)), tmp_path / "a.onnx")
