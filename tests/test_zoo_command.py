"""The command that goes over the architectures of timm, with a timm of three of them."""

import json
import sys
from fnmatch import fnmatch
from types import ModuleType

import pytest
from torch import nn
from typer.testing import CliRunner

from canonic.cli.main import app


def network(*body):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), *body)
    model.pretrained_cfg = {"input_size": (3, 32, 32), "fixed_input_size": True}
    return model


class Chooses(nn.Module):
    def forward(self, x):
        return x.relu().argmax(1)


def broken():
    raise OSError("no such part\nand more")


def interrupted():
    raise KeyboardInterrupt


MODELS = {
    "broken": broken,
    "good": lambda: network(nn.ReLU(), nn.Conv2d(4, 2, 3)),
    "places": lambda: network(Chooses()),
    "slow": interrupted,
}


@pytest.fixture
def timm(monkeypatch):
    """A stand-in for timm; torchvision is as if it were not installed."""
    module = ModuleType("timm")
    module.list_models = lambda pattern: [name for name in MODELS if fnmatch(name, pattern or "*") or not pattern]
    module.create_model = lambda name, pretrained: MODELS[name]()
    monkeypatch.setitem(sys.modules, "timm", module)
    monkeypatch.setitem(sys.modules, "torchvision", None)


def run(*arguments):
    return CliRunner().invoke(app, ["zoo", *arguments])


def test_each_architecture_has_its_line_and_the_end_a_summary(timm):
    done = run("[!s]*")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert "failed" in lines[0]
    assert lines[0].endswith("OSError: no such part")
    assert lines[1].split()[:2] == ["good", "converts"]
    assert lines[1].endswith("1 population, depth 1")
    assert "refused" in lines[2]
    assert "argmax: it returns " in lines[2]
    assert lines[3] == "3 architectures: 1 convert, 1 are refused, 1 cannot be built or captured"


def test_an_interrupt_prints_the_summary_so_far(timm):
    done = run()
    assert done.exit_code == 130
    assert "3 architectures: 1 convert, 1 are refused" in done.stdout


def test_limit_and_json(timm):
    found = json.loads(run("[!s]*", "--limit", "2", "--json").stdout)
    assert [outcome["name"] for outcome in found] == ["broken", "good"]
    assert found[1]["size"] == [3, 32, 32]


def test_no_such_architecture(timm):
    assert "timm has no architecture 'x*'" in str(run("x*").exception)


def test_without_timm_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert "missing: pip install timm" in str(run("resnet*").exception)
