"""The report as text: everything that it must say, and nothing that it loads."""

import json
import re
import sys

import pytest
import torch
from torch import nn

from canonic import CSS, evaluate
from canonic.conversion import convert
from canonic.errors import CanonicError
from canonic.measure.comparison import text_of_form
from canonic.report import library, plots
from canonic.report.explorer import explore
from canonic.report.page import report
from tests.evaluations import made_up, verdict

POPULATIONS = {"first": 20, "second": 10}
DESCRIPTION = {"code": CSS(steps=8).to_json(), "versions": {"canonic": "0.1.0"}, "settings": {"threshold": "mse"}}


def page(evaluation=None, **rest):
    return report(evaluation or made_up(POPULATIONS), verdict(POPULATIONS), DESCRIPTION, **rest)


def words(html):
    """Return what a person reads, in one line."""
    body = re.sub(r"<(script|style|pre).*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", body).replace("\N{NO-BREAK SPACE}", " "))


def data_of(html, name):
    return json.loads(re.search(f'<script type="application/json" id="{name}">(.*?)</script>', html, re.DOTALL)[1])


def test_the_figures_of_the_first_five_seconds():
    text = words(page(title="tiny"))
    assert "tiny" in text
    assert "Accuracy, source → spiking 81.03 → 80.77 %" in text
    assert "Steps 10 T = 8 digits after 2 silent steps of depth 2; first answer at step 3" in text
    assert "Spikes per neuron" in text
    assert "Energy, spiking against source, fp32: compute only 0.448 × source, fp32: with memory 2.23 ×" in text
    assert "source, fp32: on a tile" in text
    assert (
        "quantised to 8 bits, zeros skipped: compute only 16.5 × quantised to 8 bits, zeros skipped: with memory"
        in text
    )
    assert "Estimated by horowitz45, traffic45, tiled45; above 1 is a loss." in text


def test_no_row_of_an_energy_model_is_hidden_and_losses_are_said():
    html, text = page(), words(page())
    for name, model in made_up(POPULATIONS)["energy"]["models"].items():
        assert f"Model {name}." in text
        for row in model["rows"]:
            assert html.count(f'<th scope="row">{text_of_form(row)}</th>') == 3  # once for each model
    assert "By the model horowitz45 the spiking network takes more energy than 2 of 4 others" in text
    assert (
        "a loss: 16.5 times more than quantised to 8 bits, zeros skipped; spiking is 0.02 points more accurate" in text
    )
    assert "a gain: 2.2 times less than source, fp32; spiking is 0.26 points less accurate" in text
    losses = re.findall('<div class="lost"><dt>([^<]*)</dt>', html)  # a loss stands at the top, too, as large as a gain
    assert losses[0] == "source, fp32: with memory"
    assert len(losses) == 5
    assert "Estimates: operations that were counted, times the energy of one. No chip was measured." in text
    assert "* Other codes are measured on 1,000 of the samples" in text


def test_every_chart_has_its_place_a_description_and_its_figures():
    html = page()
    places = re.findall(r'id="chart-([a-z0-9-]+)" role="img" aria-label="([^"]+)"', html)
    assert {name for name, _ in places} == set(data_of(html, "charts"))
    assert all(len(description) > 20 for _, description in places)


def test_it_loads_nothing():
    html = page()
    markup = re.sub("<script.*?</script>", "", html, flags=re.DOTALL)
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', markup) == []
    assert "default-src 'none'" in html
    assert "@import" not in html.partition("</style>")[0]
    assert len(html) < 2e6


def test_names_cannot_break_out_of_the_page():
    name = "</script><img src=x onerror=alert(1)>"
    html = report(made_up({name: 5}), verdict({name: 5}), DESCRIPTION, title=name)
    assert name not in html
    assert data_of(html, "charts")["error"]["data"]["values"][0]["layer"] == name


def test_an_evaluation_that_was_interrupted_is_marked():
    assert "Partial Interrupted after 300 samples: all figures are of 300 samples" in words(
        page(made_up(POPULATIONS, samples=300, complete=False))
    )
    assert 'class="partial" role="alert"' not in page()


def test_a_regression_has_no_accuracy():
    text = words(page(made_up(POPULATIONS, task="regression")))
    assert "Signal to noise 33.1 dB" in text
    assert "mean squared error against the targets 0.0011 0.0012" in text
    assert "Accuracy" not in text
    assert "not measured" not in text
    assert "network compute µJ memory µJ" in text
    assert "McNemar" not in text


def test_numbers_of_things_are_written_in_full():
    text = words(page(made_up({"first": 1536, "second": 10})))
    assert "1,546 neurons" in text
    assert "first 1,536" in text
    assert "272,474 272,474" in text
    assert "1.536 k" not in text


def test_a_quantised_network_stands_at_its_steps_on_either_hardware():
    html = page()
    points = data_of(html, "charts")["codes"]["data"]["values"]
    own = [point["value"] for point in points if point["code"] == "this network"]
    assert own[-1] == 100 * made_up(POPULATIONS)["baselines"]["spiking_accuracy"]  # of the samples of the others
    steps = {point["code"]: point["step"] for point in points if point["code"].startswith("quantised")}
    assert steps == {"quantised, bit-serial, layer by layer": 16, "quantised, one pass a layer": 2}
    assert "needs 16 steps, T for each of 2 layers; hardware that multiplies whole numbers needs one pass" in words(
        html
    )


def test_the_errors_of_a_layer_are_defined():
    text = words(page())
    for term in (
        "Measured: against",
        "Made by this layer alone: against",
        "Inherited and rounded: what is to be expected",
    ):
        assert term in text


def test_without_baselines_an_explorer_or_estimates():
    evaluation = made_up(POPULATIONS, baselines=False)
    html = page(evaluation | {"energy": {"models": {}, "caveat": ""}})
    assert "not estimated" in html
    assert "codes" not in data_of(html, "charts")
    assert data_of(html, "explorer-data") is None
    assert 'id="explorer"' not in html


def test_what_was_not_counted_is_a_dash():
    evaluation = made_up(POPULATIONS)
    evaluation["operations"]["source"] = None
    assert "multiplications with addition (MACs) – 440 k" in words(page(evaluation))


def test_the_record_has_all_that_makes_it_again():
    text = words(page())
    assert "5f" * 32 in text
    assert "a1" * 32 in text
    assert "settings: threshold mse" in text
    assert "versions: canonic 0.1.0" in text


def test_without_the_library_of_the_charts(monkeypatch):
    library.bundle.cache_clear()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(CanonicError, match=r"which is not installed: pip install vl-convert-python"):
        page()
    library.bundle.cache_clear()


def test_the_explorer_is_part_of_the_page():
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 10)).eval()
    snn = convert(model, [torch.rand(50, 6)])
    data = explore(snn, [(torch.rand(6), 3)])
    assert data_of(page(explorer=data), "explorer-data") == json.loads(json.dumps(data.to_json()))


def forms(data):
    """Return the names in an evaluation, without those of layers and costs, and the kinds of its figures."""
    if isinstance(data, dict):
        free = {"layers", "constants", "baselines", "source", "neurobench"}
        return {name: None if name in free else forms(value) for name, value in data.items()}
    return None


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_evaluations_that_are_made_up_have_the_form_of_measured_ones(task):
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 10)).eval()
    snn = convert(model, [torch.rand(50, 6)])
    y = torch.arange(30) % 10 if task == "classification" else torch.rand(30, 10)
    real, made = evaluate(snn, [(torch.rand(30, 6), y)], baselines=30).to_json(), made_up(POPULATIONS, task=task)
    assert forms(real) == forms(made)
    for name in ("quantised", "rate"):
        assert made["baselines"].get(name, {}).keys() <= real["baselines"].get(name, {}).keys()
    for part in ("spikes", "operations"):
        (one, *_), (other, *_) = (list(data[part]["layers"].values()) for data in (real, made))
        assert one.keys() >= other.keys()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_figures_for_papers(task, tmp_path):
    evaluation, found = made_up(POPULATIONS, task=task), verdict(POPULATIONS)
    found["layers"][0]["own"] = None  # no error at all
    drawn = {
        "error": plots.error_per_layer(found, "a title"),
        "spikes": plots.spikes_per_layer(evaluation),
        "energy": plots.energy_comparison(evaluation, "traffic45"),
        "overload": plots.overload(evaluation),
    }
    for name, figure in drawn.items():
        plots.save_figure(figure, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert [len(line.get_xdata()) for line in drawn["error"].axes[0].lines] == [2, 2, 1]
    assert len(drawn["energy"].axes[0].patches) == 2 * 5
    assert [bar.get_width() for bar in drawn["overload"].axes[0].patches] == [
        100 * layer["overload_rate"] for layer in evaluation["spikes"]["layers"].values()
    ]


def test_a_figure_of_an_energy_model_that_was_not_asked_for():
    with pytest.raises(CanonicError, match="no estimates of the energy model 'horowitz': did you mean horowitz45"):
        plots.energy_comparison(made_up(POPULATIONS), "horowitz")
