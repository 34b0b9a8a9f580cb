"""The demo: what a new user sees first."""

import canonic
from canonic.cli.demo import STEPS, run_demo


def test_the_demo_keeps_the_accuracy_of_its_source(tmp_path):
    results = run_demo(tmp_path, epochs=4)
    assert [e.network.steps for e in results.values()] == list(STEPS)
    best = results["T = 8"]
    assert best.samples == 500
    assert best.source_accuracy > 0.9
    assert best.agreement >= 0.98
    assert abs(best.accuracy - best.source_accuracy) <= 0.01
    assert [e.network.total_steps for e in results.values()] == [t + 3 for t in STEPS]
    assert canonic.load(tmp_path / "network.safetensors").depth == 3
    assert (tmp_path / "accuracy.png").stat().st_size > 10_000
