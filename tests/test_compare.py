"""One network in several codes: from Python, and by the commands."""

import json
import re

import pytest
import torch
from torch import nn

from canonic import CSS, CanonicError, DataError, Rate, compare, convert, evaluate
from canonic.codes import CODES, code_of, text_of
from canonic.measure.energy import MODELS
from canonic.report import save_figure
from canonic.report.codespage import comparison_page
from canonic.report.codespicture import codes_compared, curve_of
from canonic.sweep.comparison import Comparison
from canonic.sweep.row import Row
from tests.commands import run

NET = """
import torch
from torch import nn
def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))
"""
DIGITS = ("--data", "digits:test", "--calibration", "digits:train", "--limit", "50")


def gelu():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3))


@pytest.fixture(scope="module")
def compared():
    model, x = gelu(), torch.randn(48, 4)
    return compare(model, [x], [(x, model(x).argmax(1))], (CSS(6), "multi-threshold:4", Rate(8)), progress=False)


def test_a_code_that_cannot_carry_a_network_is_a_row_that_says_so(compared):
    css, graded, rate = compared.rows
    assert (css.code, graded.code, rate.code) == ("css:6", "multi-threshold:4", "rate:8")
    assert "no negative event" in rate.refused
    assert rate.accuracy is None
    assert "rate:8 was refused" in str(compared)
    assert css.total_steps == 7
    assert graded.event_bits == 5
    assert compared.source_accuracy == 1


def test_the_rows_are_those_of_convert_and_evaluate(compared):
    model, x = gelu(), torch.randn(48, 4, generator=torch.Generator().manual_seed(1))
    again = compare(model, [x], [x], ("css:6",), progress=False).rows[0]
    with torch.no_grad():
        error = convert(model, [x], code="css:6", progress=False)(x) - model(x)
        wanted = 10 * torch.log10(model(x).square().sum() / error.square().sum())
    assert again.snr_db == pytest.approx(float(wanted), abs=1e-3)
    assert again.accuracy is None  # there were no labels


def test_it_goes_to_json_and_is_drawn(compared, tmp_path):
    shown = json.loads(json.dumps(compared.to_json(), allow_nan=False))
    assert shown["rows"][0]["energy"]["horowitz45"] > 0
    assert Comparison.from_json(shown) == compared
    older = Row("css:8", accuracy=0.5, total_steps=9, events=1.0, event_bits=2, energy={"horowitz45": 1.0}, seconds=1.0)
    save_figure(codes_compared(Comparison((*compared.rows, older), 48, 1.0), "test"), tmp_path / "codes.png")
    for panel in codes_compared(compared).axes:
        assert panel.get_legend_handles_labels()[1] == ["css", "multi-threshold", "source"]


def test_a_curve_is_the_evaluation_step_by_step(compared):
    model, x = gelu(), torch.randn(48, 4)
    css, graded, rate = compared.rows
    snn = convert(model, [x], code="css:6", progress=False)
    found = evaluate(snn, [(x, model(x).argmax(1))], progress=False)
    curve = curve_of(css)
    assert curve == [(step, 100 * share) for step, share in enumerate(found.accuracy_by_step, 1) if step > 1]
    assert curve[-1] == (css.total_steps, 100 * css.accuracy)
    assert css.agreement_by_step[-1] == css.agreement
    assert graded.snr_db_by_step[-1] == graded.snr_db
    assert curve_of(rate) == []


def test_events_that_differ_in_size_have_two_figures(compared):
    css, graded, _ = compared.rows
    assert css.sized_energy is None
    assert css.additions == css.event_additions
    assert graded.event_additions < graded.additions
    assert graded.sized_energy.keys() == graded.energy.keys() == set(MODELS)
    heads = dict(zip(compared.headings, graded.cells(compared.models), strict=True))
    assert heads["uJ"].split(" / ") == [f"{e['horowitz45']:.3g}" for e in (graded.energy, graded.sized_energy)]
    assert "/" not in "".join(css.cells(MODELS))
    assert heads["uJ, on a tile"].startswith(f"{graded.energy['tiled45']:.3g} / ")


def test_a_page_holds_every_row_and_loads_nothing(compared):
    page = comparison_page(compared, "<i>a network</i>")
    assert "<i>a network" not in page
    assert "rate:8 was refused" in page
    for row in compared.rows:
        assert f'<th scope="row">{row.code}</th>' in page
    (charts,) = re.findall('<script type="application/json" id="charts">(.*?)</script>', page)
    curves = json.loads(charts)["curves"]["layer"][-1]
    points = [(p["cost"], p["value"]) for p in curves["data"]["values"] if p["code"] == "css:6"]
    assert points == curve_of(compared.rows[0])


def test_without_labels_the_curves_are_ratios():
    x = torch.randn(32, 4)
    found = compare(gelu(), [x], [x], ("css:6", "css:5,silent=0"), energy=("tiled45",), progress=False)
    assert found.headings[-2:] == ("uJ, on a tile", "seconds")
    assert found.rows[0].energy.keys() == {"tiled45"}
    assert found.source_accuracy is None
    assert curve_of(found.rows[0])[-1] == (7, found.rows[0].snr_db)
    page = comparison_page(found, "no labels")
    assert "output against the source (dB)" in page
    assert "energy a sample by tiled45" in page
    assert codes_compared(found).axes[0].get_ylabel() == "output against the source (dB)"


def test_nothing_to_compare_and_unknown_codes_are_refused():
    with pytest.raises(DataError, match="no code was given"):
        compare(gelu(), [torch.randn(8, 4)], [torch.randn(8, 4)], ())
    with pytest.raises(CanonicError, match="did you mean burst"):
        compare(gelu(), [torch.randn(8, 4)], [torch.randn(8, 4)], ("brust:8",))
    with pytest.raises(CanonicError, match="steps must be a whole number from 1 to 24, got 99"):
        compare(gelu(), [torch.randn(8, 4)], [torch.randn(8, 4)], ("css:99",))


def test_a_text_keeps_every_digit_of_a_parameter():
    code = CSS(8, 2, phi=0.5234567891)
    assert code_of(text_of(code)) == code


def test_the_command_goes_on_with_what_is_there(tmp_path, monkeypatch):
    (tmp_path / "compared_net.py").write_text(NET)
    options = ("compare", "compared_net:make", *DIGITS, "--out", "found", "--codes")
    first = run(tmp_path, *options, "css:4 rate:4")
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "found" / "codes.png").exists()
    done = {file: file.stat().st_mtime_ns for file in (tmp_path / "found").glob("*4*.json")}
    assert len(done) == 2
    more = ("css:4 rate:4 burst:4", "--report", "page.html", "--json")
    rows = json.loads(run(tmp_path, *options, *more).stdout)["rows"]
    assert "compared_net:make on digits:test" in (tmp_path / "page.html").read_text()
    assert [row["code"] for row in rows] == ["css:4", "rate:4", "burst:4"]
    assert {file: file.stat().st_mtime_ns for file in done} == done
    assert json.loads((tmp_path / "found" / "comparison.json").read_text())["rows"] == rows

    def interrupted(*_, **__):
        raise KeyboardInterrupt("interrupted: 3 of 4 settings done and kept in found")

    monkeypatch.setattr("canonic.sweep.comparison.sweep", interrupted)
    stopped = run(tmp_path, *options, "rate:8")
    assert stopped.returncode == 130
    assert "canonic: interrupted: 3 of 4 settings done and kept" in stopped.stderr


def test_a_network_goes_from_the_name_of_its_code_to_a_page(tmp_path):
    (tmp_path / "coded_net.py").write_text(NET)
    made = run(tmp_path, "convert", "coded_net:make", "--data", "digits:train", "--limit", "60", "--code", "latency:8")
    assert made.returncode == 0, made.stderr
    assert "latency T = 8: 16 total steps" in made.stdout
    found = json.loads(run(tmp_path, "evaluate", "network.safetensors", *DIGITS[:2], *DIGITS[4:], "--json").stdout)
    assert found["network"]["codes"] == ["latency"]
    page = run(tmp_path, "report", "network.safetensors", *DIGITS[:2], *DIGITS[4:], "--out", "page.html")
    assert page.returncode == 0, page.stderr
    text = (tmp_path / "page.html").read_text()
    assert "A spiking network with the code latency: T = 8, k = 8, depth 1" in text
    assert "Explorer: one sample" in text


def test_parameters_of_css_beside_another_code_are_wrong_usage(tmp_path):
    (tmp_path / "wrong_net.py").write_text(NET)
    for options, message in (
        (("--code", "rate:16", "-T", "6"), "stand behind the colon, as rate:16"),
        (("--code", "rte:16"), "did you mean rate"),
    ):
        done = run(tmp_path, "convert", "wrong_net:make", "--data", "digits:train", *options)
        assert done.returncode == 2
        assert message in " ".join(done.stderr.replace("│", " ").split())


def test_all_codes_are_listed(tmp_path):
    assert [code["name"] for code in json.loads(run(tmp_path, "codes", "--json").stdout)] == list(CODES)
    assert all(name in run(tmp_path, "codes").stdout for name in CODES)
