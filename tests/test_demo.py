"""The demo: what a new user sees first."""

import canonic
from canonic.cli import demo

STEPS = (4, 8)
"""Some of those of the demo: each has C programs of its own."""


def test_the_demo_keeps_the_accuracy_of_its_source(tmp_path, monkeypatch):
    assert set(STEPS) < set(demo.STEPS)
    monkeypatch.setattr(demo, "STEPS", STEPS)
    results = demo.run_demo(tmp_path, epochs=4)
    assert [e.network.steps for e in results.values()] == list(STEPS)
    best = results["T = 8"]
    assert best.samples == 500
    assert best.source_accuracy > 0.9
    assert best.agreement >= 0.98
    assert abs(best.accuracy - best.source_accuracy) <= 0.01
    assert [e.network.total_steps for e in results.values()] == [t + 3 for t in STEPS]
    assert canonic.load(tmp_path / "network.safetensors").depth == 3
    assert (tmp_path / "accuracy.png").stat().st_size > 10_000
