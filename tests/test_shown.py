"""What Python, a notebook and a terminal show of a result: it fits a screen, and hides no name."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from torch import nn

from canonic import CSS, Override, Settings, convert, evaluate, explain
from canonic.measure.counts import Errors, SourceErrors
from canonic.network.verdict import LayerHealth, Verification
from canonic.sweep import Outcome, Setting, Sweep
from canonic.tables import MOST, html_table

DEEP = 100


@pytest.fixture(scope="module")
def snn():
    torch.manual_seed(0)
    return convert(
        nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3)).eval(), [torch.randn(20, 6)], code=CSS(3)
    )


@pytest.fixture(scope="module")
def results(snn):
    torch.manual_seed(0)
    x, y = torch.randn(20, 6), torch.randint(3, (20,))
    model = nn.Sequential(*[layer for _ in range(DEEP) for layer in (nn.Linear(6, 6), nn.ReLU())])
    found = evaluate(snn, [(x, y)])
    layers = tuple(LayerHealth(f"layer{i}", 1, 40.0, 41.0, 42.0, 0.0, 0.0) for i in range(DEEP))
    return {
        "network": snn,
        "evaluation": found,
        "regression": evaluate(snn, [(x, snn(x))]),
        "interrupted": replace(found, gap="interrupted after 20 samples"),
        "verification": Verification(100, layers, {"linear": 30.0}, {}, "layer3", "layer3 drops"),
        "explanation": explain(model, x),
        "trace": snn.trace(x),
        "errors": Errors(10, Fraction(0), SourceErrors(Fraction(7, 3**999), (Fraction(1, 7**999),) * 24, Fraction(0))),
        "sweep": Sweep((Outcome(Setting(4), found.to_json(), "", {}), Outcome(Setting(3, 4), None, "k > T", {}))),
        "settings": Settings(silent="auto", overrides={"1": Override(threshold="max")}),
    }


def test_every_result_fits_a_screen(results):
    for name, result in results.items():
        assert len(repr(result)) <= 300, name
        assert "\n" not in repr(result), name


def test_what_they_say(results):
    texts = {name: repr(result) for name, result in results.items()}
    assert texts["network"].startswith("SpikingNetwork(1 population, 12 neurons, depth 1; CSS T = 3, k = 1")
    assert "Evaluation(20 samples; source " in texts["evaluation"]
    assert "dB; T = 3, k = 1, depth 1, 4 total steps, fp32)" in texts["evaluation"]
    assert "PARTIAL: interrupted after 20 samples" in texts["interrupted"]
    assert texts["verification"] == "Verification(100 samples, 100 layers, the output at 30.0 dB; first drop: layer3)"
    assert texts["explanation"].startswith("Explanation(convertible: 100 populations, 600 neurons, depth 100; T = 8")
    assert texts["trace"].startswith("{'1': LayerTrace([4, 20, 12], ")
    assert texts["sweep"] == "Sweep(2 settings, 1 refused; 1 not beaten in energy, 1 in steps)"


def test_print_shows_the_whole_table(results):
    assert len(str(results["network"]).splitlines()) == 9  # with a note: three digits are few
    assert len(str(results["verification"]).splitlines()) == DEEP + 4
    assert len(str(results["explanation"]).splitlines()) == 2 * DEEP + 2


@pytest.mark.parametrize("name", ["network", "evaluation", "regression", "interrupted", "verification", "explanation"])
def test_a_notebook_shows_a_small_table(results, name):
    html = results[name]._repr_html_()
    assert html.startswith("<table><caption>")
    assert html.count("<tr>") <= MOST + 2
    assert html.count("<th>") <= 7


def test_names_are_escaped_and_what_is_left_out_is_said():
    html = html_table(("<i>",), [("<script>",)] * (MOST + 7))
    assert "<script>" not in html
    assert "<i>" not in html
    assert html.count("&lt;script&gt;") == MOST
    assert "... 7 more ..." in html
