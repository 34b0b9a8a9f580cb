"""Charts and figures: every axis has a width, no text lies over text, and what is on one chart is of one set of samples."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from canonic import CSS, DataError, convert, evaluate
from canonic.report import charts, plots
from canonic.report.fronts import pareto_fronts
from canonic.sweep import Outcome, Setting, Sweep
from tests.evaluations import made_up, verdict
from tests.test_explorer import mixed


@pytest.fixture(scope="module")
def results():
    torch.manual_seed(0)
    snn = convert(nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3)).eval(), [torch.randn(20, 6)], code=CSS(3))
    x, y = torch.randn(12, 6), torch.randint(3, (12,))
    return evaluate(snn, [(x, y)]), evaluate(snn, [(x[:6], y[:6])]), evaluate(snn, [(x, snn(x))]), snn.verify([x])


def test_a_figure_takes_a_result_as_it_is_or_as_a_file_holds_it(results):
    evaluation, _, _, verification = results
    for draw, result in (
        (plots.accuracy_against_steps, evaluation),
        (plots.spikes_per_layer, evaluation),
        (plots.overload, evaluation),
        (lambda e: plots.energy_comparison(e, "horowitz45"), evaluation),
        (plots.error_per_layer, verification),
    ):
        one, other = draw(result), draw(result.to_json())
        assert [axes.dataLim.bounds for axes in one.axes] == [axes.dataLim.bounds for axes in other.axes]


def test_one_figure_is_of_one_set_of_samples(results):
    whole, part, regression, _ = results
    assert len(plots.accuracy_against_steps({"a": whole, "b": whole}).axes[0].lines) == 3
    with pytest.raises(DataError, match=r"of different samples \(a: 12 samples, b: 6 samples\): draw a figure of each"):
        plots.accuracy_against_steps({"a": whole, "b": part})
    with pytest.raises(DataError, match="spiking network has no accuracy, as nothing was classified: draw"):
        plots.accuracy_against_steps(regression)


def scale(chart, axis, layer=-1):
    low, high = chart["layer"][layer]["encoding"][axis]["scale"]["domain"]
    return high - low


@pytest.mark.parametrize("values", [[0.5], [None, 0.5], [1.0, 1.0], [46.92640729713466] * 3])
def test_an_axis_of_one_value_has_a_width(values):
    assert scale(charts.by_step(values, source=None, unit="dB", label="x"), "y") == pytest.approx(6)
    shares = [None if value is None else min(value, 1.0) for value in values]
    assert scale(charts.by_step(shares, source=None, unit="%", label="x"), "y") >= 3.5
    ticks = charts.by_step(values, source=None, unit="dB", label="x")["layer"][-1]["encoding"]["x"]["axis"]["values"]
    assert ticks == list(range(1, len(values) + 1))


def test_the_errors_of_one_layer_have_an_axis():
    found = verdict({"only": 3})
    found["layers"][0] |= {"snr": 46.92640729713466, "expected": 46.92640729713466, "own": None}
    low, high = charts.error_per_layer(found)["encoding"]["x"]["scale"]["domain"]
    assert high - low == pytest.approx(6)
    assert plots.error_per_layer(found).axes[0].get_xlim() == pytest.approx((low, high))


@pytest.mark.parametrize(("populations", "steps"), [(1, 1), (3, 8), (60, 8)])
def test_figures_of_small_and_deep_networks(populations, steps):
    sizes = {f"layers.{i}": 8 for i in range(populations)}
    evaluation = made_up(sizes, steps=steps, silent=0)
    axes = plots.accuracy_against_steps(evaluation).axes[0]
    low, high = axes.get_xlim()
    assert (low, high) == (0.5, steps + 0.5)
    assert all(tick == int(tick) for tick in axes.get_xticks())
    energy = plots.energy_comparison(evaluation, "traffic45").axes[0]
    assert "* on 1,000 samples, of which the spiking network gets 81.00" in energy.get_xlabel()
    assert energy.texts[-1].get_text().endswith("%\N{NO-BREAK SPACE}*") or energy.texts[-1].get_text().endswith("% *")


def outcome(steps, accuracy, energy):
    evaluation = made_up({"a": 8}, steps=steps, baselines=False)
    evaluation["accuracy"]["network"] = accuracy
    rows = evaluation["energy"]["models"]["horowitz45"]["rows"]
    rows[0]["total"] = energy
    return Outcome(Setting(steps), evaluation, "", {})


@pytest.mark.parametrize("count", [1, 12])
def test_the_numbers_of_a_front_do_not_overlap(count):
    found = [outcome(t + 1, 0.98 + 0.001 * t, 1 + 0.002 * t) for t in range(count)]
    figure = pareto_fronts(Sweep(tuple(found)), "crowded")
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert [text.get_text() for text in axes.texts] == [str(n) for n in range(1, count + 1)]
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        assert axes.get_legend().get_texts()[0].get_text() == "1: T1-k1-phi0.5-mse-fp32"
        assert axes.get_xlim()[0] == 0


def test_layers_of_unlike_codes_have_a_row_each_as_long_as_their_digits():
    snn = mixed()
    found = evaluate(snn, [(torch.rand(9, 6), torch.arange(9) % 3)], baselines=0)
    drawn = np.ma.filled(plots.spikes_per_layer(found).axes[0].images[0].get_array().astype(float), np.nan)
    assert np.isfinite(drawn).sum(1).tolist() == [5, 6, 4]
