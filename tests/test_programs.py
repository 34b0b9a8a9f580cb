"""The C programs of a network: known before it runs, and built at once."""

import os
import shutil

import pytest
import torch
from benchmarks.resnet import Block
from torch import nn

from canonic import CSS, convert
from canonic.native import build, scan
from canonic.network import convolution, pooling
from canonic.network.programs import build_for, sources
from tests.test_fusion import NETWORKS

needs_c = pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc")), reason="no C compiler: C is not tested")
TRIVIAL = build.Source(("scan.c",), "none")


class Residual(nn.Sequential):
    """A stage of a ResNet: its shortcut drops pixels and adds empty channels."""

    def __init__(self):
        super().__init__(nn.Conv2d(8, 16, 3), nn.ReLU(), Block(16, 32), nn.AvgPool2d(5), nn.Flatten(), nn.Linear(32, 4))


MODELS = NETWORKS | {"residual": Residual}
CASES = [(name, precision, False) for name in sorted(MODELS) for precision in ("fp32", "bf16", "int8")]
CASES.remove(("pooled currents", "int8", False))  # it is refused


def network(name, precision="fp32", code=None):
    torch.manual_seed(0)
    x = torch.randn(6, 8, 12, 12)
    snn = convert(MODELS[name]().eval(), [x], code=code or CSS(6, 1), progress=False)
    return snn.to_precision(precision), x


@needs_c
@pytest.mark.parametrize(("name", "precision", "observed"), [*CASES, ("residual", "int8", True)])
def test_what_a_run_wants_is_known_before(name, precision, observed, monkeypatch):
    snn, x = network(name, precision)
    wanted, known = set(), set(sources(snn.layerwise_plan, counted=observed))

    def noted(source):
        wanted.add(source)
        return build.program(source)

    for module in (scan, convolution, pooling):
        monkeypatch.setattr(module, "program", noted)
    snn.readout(x, observe=(lambda *_: None) if observed else None)
    assert wanted == known


def test_spikes_that_are_only_moved_stay_small():
    snn, _ = network("residual")
    assert [node.small for node in snn.layerwise_plan.graph.populations] == [True, True, False]


@needs_c
def test_programs_are_built_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    snn, _ = network("residual")
    assert list((tmp_path / "canonic").glob("convolve-*.so")) == []
    build_for(snn.layerwise_plan, counted=False)
    needed = set(sources(snn.layerwise_plan, counted=False))
    assert {build._place(source) for source in needed} <= set((tmp_path / "canonic").iterdir())


def test_what_cannot_be_built_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", "no-such-compiler")
    build.build([TRIVIAL, TRIVIAL._replace(name="other")])
    assert list(tmp_path.rglob("*.so")) == []
