"""The small networks that converters are compared on, and what is measured of them."""

import time

import pytest
import torch
from benchmarks.peers.probe import Probe, at_most, attempt, beginning
from benchmarks.peers.run import line
from benchmarks.small_networks import NETWORKS, SHAPES, build, inputs, relative_error
from torch import nn


@pytest.mark.parametrize("name", NETWORKS)
def test_small_the_same_at_every_call_and_different_for_every_input(name: str) -> None:
    model = build(name)
    calibration, test = inputs(name)
    assert sum(parameter.numel() for parameter in model.parameters()) <= 100_000
    assert (len(calibration), len(test)) == (256, 64)
    assert test.shape[1:] == SHAPES[name]
    with torch.no_grad():
        answer = model(test)
        assert relative_error(build(name)(test), answer) < 1e-5
    assert answer.std(0).mean() > 0.1 * answer.std()


def test_a_probe_tells_what_runs_outside_the_neurons() -> None:
    class Neuron(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x).round()

    model = nn.Sequential(Neuron(), nn.GELU())
    probe = Probe(model, (Neuron,))
    with probe:
        model(torch.tensor([[3.1, -1.0]]))
    remark = "left analog: gelu; up to 3 spikes of a neuron in a step"
    assert probe.record() == {"spiking layers": 1, "remark": remark}


def test_a_probe_tells_when_nothing_spikes() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    probe = Probe(model, (nn.LSTM,))
    with probe:
        model(torch.ones(1, 2))
    assert probe.record()["remark"] == "nothing spikes; left analog: relu"


def test_an_error_is_a_result() -> None:
    def refuse(*_: object) -> dict[str, object]:
        raise ValueError("no such operator\nand a remedy")

    record = attempt("mlp", refuse)
    assert record == {"refused": "ValueError: no such operator"}
    assert line("mlp", record).split(maxsplit=1)[1] == "ValueError: no such operator"
    assert beginning("two of them:\n  a <function relu at 0x7f>") == "two of them: a <function relu>"


def test_a_network_does_not_hang_the_run() -> None:
    with pytest.raises(TimeoutError, match="within 1 s"), at_most(1):
        time.sleep(30)
