"""The report as a person meets it: in a browser, with a mouse, a keyboard or a phone, in light and dark.

It needs a browser that is installed (Debian's chromium) and downloads none. Screenshots are kept in test-output/.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from canonic import CSS, compare, convert, evaluate
from canonic.learn import IF, LIF, Population, as_network
from canonic.measure.energy import MODELS
from canonic.report.codespage import comparison_page
from canonic.report.explorer import explore
from canonic.report.page import report
from tests.test_explorer import mixed

SHOTS = Path(__file__).resolve().parents[1] / "test-output"
NAMES = [f"digit {index}" for index in range(9)] + ["a nine, which has a name that is far too long for a label"]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features_of_the_first_stage = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.ReLU()
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(8 * 36, 30), nn.ReLU(), nn.Linear(30, 10))

    def forward(self, x):
        return self.classifier(self.features_of_the_first_stage(x))


@pytest.fixture(scope="module")
def snn():
    torch.manual_seed(0)
    return convert(Net().eval(), [torch.rand(60, 1, 8, 8)], code=CSS(steps=6, silent=1))


@pytest.fixture(scope="module")
def samples():
    return [(torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(seed)), seed) for seed in range(3)]


def written(path, snn, evaluation, x, explorer):
    """Write a report and return its address."""
    text = report(evaluation.to_json(), snn.verify([x]).to_json(), snn.describe(), explorer, "digits")
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def evaluation(snn):
    return evaluate(snn, [(torch.rand(40, 1, 8, 8), torch.arange(40) % 10)], baselines=20)


@pytest.fixture(scope="module")
def address(snn, evaluation, samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    return written(path, snn, evaluation, torch.rand(20, 1, 8, 8), explore(snn, samples, NAMES))


@pytest.fixture(scope="module")
def compared_address(tmp_path_factory):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).eval(), torch.randn(40, 4)
    found = compare(model, [x], [(x, model(x).argmax(1))], ("css:4", "rate:8", "burst:4,most=3"), progress=False)
    path = tmp_path_factory.mktemp("compared") / "compared.html"
    path.write_text(comparison_page(found, "three codes"), encoding="utf-8")
    return path.as_uri()


LOOKS = [("light", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "light")]


@pytest.mark.parametrize(("name", "width", "theme"), LOOKS, ids=[name for name, *_ in LOOKS])
def test_it_is_drawn_in_light_and_dark_and_on_a_phone(opened, address, name, width, theme):
    page = opened(address, width=width, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing sticks out
    charts = page.locator(".chart")
    assert charts.count() > 8
    for index in range(charts.count()):
        box = charts.nth(index).locator("svg.marks").bounding_box()
        assert box["width"] > 100
        assert box["height"] > 60
    tables = "[...document.querySelectorAll('.model > .table')].map((table) => table.scrollWidth - table.clientWidth)"
    assert page.evaluate(tables) == [0] * len(MODELS)  # no column of an energy table is cut off
    page.screenshot(path=SHOTS / f"report-{name}.png", full_page=True)


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_a_comparison_is_drawn_and_a_click_shows_one_code_alone(opened, compared_address, width, theme):
    page = opened(compared_address, width=width, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".chart svg.marks").count() == 4
    lines = "[...document.querySelectorAll('#chart-curves .mark-line path')].map((p) => p.getAttribute('opacity'))"
    assert page.evaluate(lines) == ["1"] * 3
    page.locator("#chart-curves .role-legend-label text", has_text="rate").click()
    page.wait_for_timeout(200)
    assert sorted(page.evaluate(lines)) == ["0.1", "0.1", "1"]
    page.screenshot(path=SHOTS / f"compared-{theme}.png", full_page=True)


def pictures(page):
    """Return the pixels of all layers."""
    return page.evaluate("[...document.querySelectorAll('#layers canvas')].map((canvas) => canvas.toDataURL())")


def colours(page, index):
    """Return the pixels of a layer: how many have the colour of a spike +1, and of a spike -1."""
    return page.evaluate(
        """(index) => {
            const canvas = document.querySelectorAll("#layers canvas")[index];
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const key = [...document.querySelectorAll(".key i")].slice(0, 2).map((i) => getComputedStyle(i).backgroundColor);
            const counts = [0, 0];
            for (let at = 0; at < pixels.length; at += 4) {
                const which = key.indexOf(`rgb(${pixels[at]}, ${pixels[at + 1]}, ${pixels[at + 2]})`);
                if (which >= 0) counts[which]++;
            }
            return counts;
        }""",
        index,
    )


def test_the_slider_shows_the_spikes_of_every_step(opened, address, snn, samples):
    page = opened(address)
    traces = snn.trace(samples[0][0][None])
    seen = []
    for step in range(1, snn.total_steps + 1):
        page.get_by_role("slider", name="Step").fill(str(step))
        assert f"step {step} of {snn.total_steps}" in page.locator("#step-now").inner_text()
        for index, name in enumerate(traces):
            at = step - 1 - traces[name].first
            spikes = traces[name].spikes[at, 0] if 0 <= at < len(traces[name].spikes) else torch.zeros(1)
            assert colours(page, index) == [int((spikes > 0).sum()), int((spikes < 0).sum())], (name, step)
        seen.append(str(pictures(page)))
    assert len(set(seen)) == snn.total_steps  # each step has its own picture


def test_the_readout_and_the_words_follow_the_step(opened, address, snn, samples):
    page = opened(address)
    readout, slider = snn.readout(samples[0][0][None])[:, 0], page.get_by_role("slider", name="Step")
    slider.fill("1")
    assert "No digit of the answer yet: the first comes with step 4" in page.locator("#says").inner_text()
    for step in range(4, snn.total_steps + 1):
        slider.fill(str(step))
        answer = int(readout[step - 1].argmax())
        assert (
            f"The answer now: {NAMES[answer]}, {'right' if answer == 0 else 'wrong'}"
            in page.locator("#says").inner_text()
        )
    assert "0 layers silent" in page.locator("#live").inner_text()


def test_by_keyboard(opened, address, snn):
    page = opened(address)
    slider = page.get_by_role("slider", name="Step")
    slider.focus()
    page.keyboard.press("Home")
    assert slider.input_value() == "1"
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "2"
    page.keyboard.press("Space")
    page.wait_for_function("Number(document.getElementById('step').value) > 2")
    assert page.locator("#play").inner_text() == "Pause"
    page.keyboard.press("Space")
    assert page.locator("#play").inner_text() == "Play"
    page.keyboard.press("End")
    assert slider.input_value() == str(snn.total_steps)
    page.keyboard.press("Space")  # from the end it begins again
    page.wait_for_function(f"document.getElementById('step').value === '{snn.total_steps}'", timeout=30_000)
    page.wait_for_function("document.getElementById('play').textContent === 'Play'")


def test_another_sample(opened, address):
    page = opened(address)
    before = pictures(page)
    page.get_by_role("radio").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.getElementById('input').alt === 'Sample 2, digit 1'")
    page.wait_for_timeout(300)
    assert pictures(page) != before
    assert page.get_by_role("radio", name="digit 1").is_checked()


def test_the_tab_key_goes_through_the_page_in_order_and_is_seen(opened, address):
    page = opened(address)
    order = []
    for _ in range(14):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        seen = page.evaluate(
            "getComputedStyle(document.activeElement.closest('label') ?? document.activeElement).outlineStyle"
        )
        assert seen == "solid", order[-1]
    assert order[:4] == ["Skip to the report", "At a glance", "Explorer", "Headline figures"]
    assert order.index("theme") < order.index("play") < order.index("step")


def test_the_button_changes_the_theme_of_the_page_and_of_its_charts(opened, address):
    page = opened(address, theme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    line = "document.querySelector('#chart-settling .mark-line path').getAttribute('stroke')"
    dark = page.evaluate(colour), page.evaluate(line), pictures(page)
    page.get_by_role("button", name="Change to the light theme").click()
    page.get_by_role("button", name="Change to the dark theme").wait_for()
    page.wait_for_function(f"{line} !== '{dark[1]}'")
    page.wait_for_function(f"document.querySelector('#layers canvas').toDataURL() !== '{dark[2][0]}'")
    assert page.evaluate(colour) != dark[0]


def test_everything_that_can_be_used_has_a_name(opened, address):
    page = opened(address)
    for role in ("button", "slider", "radio", "region", "img"):
        for element in page.get_by_role(role).all():
            assert element.evaluate(
                "e => e.ariaLabel || e.alt || e.textContent.trim() || e.labels?.[0]?.textContent || e.ariaLabelledByElements?.length"
            ), (role, element.evaluate("e => e.outerHTML"))


def test_motion_is_reduced_where_a_person_asks_for_it(opened, address):
    page = opened(address, reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.get_by_role("slider", name="Step").fill("1")
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(900)  # twice the time of a step without the wish
    assert page.get_by_role("slider", name="Step").input_value() == "1"


def test_values_of_vectors_and_an_evaluation_that_was_interrupted(opened, tmp_path):
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 2)).eval()
    snn = convert(model, [torch.randn(50, 6)], code=CSS(steps=4, silent=1))
    x, y = torch.randn(30, 6), torch.randn(30, 2)
    explorer = explore(snn, zip(x[:2], y[:2], strict=True), classifies=False)
    evaluation = replace(evaluate(snn, [(x, y)]), gap="interrupted after 30 samples")
    page = opened(written(tmp_path / "report.html", snn, evaluation, x, explorer), width=390)
    alert = page.get_by_role("alert")
    assert "Interrupted after 30 samples" in alert.inner_text()
    assert float(alert.locator("strong").evaluate("e => getComputedStyle(e).fontSize").removesuffix("px")) >= 24
    assert "Largest difference to the source network" in page.locator("#says").inner_text()
    assert "no picture: values of an input of shape 6" in page.locator("#input-note").inner_text()
    page.screenshot(path=SHOTS / "report-regression.png", full_page=True)


def test_a_trained_network_is_explored_without_a_source(opened, tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), Population(LIF(leak=0.5)), nn.Linear(8, 3), Population(IF(theta=0.5)))
    snn, x, y = as_network(net, torch.rand(2, 6), 4, readout="first"), 3 * torch.rand(30, 6), torch.arange(30) % 3
    explorer = explore(snn, zip(x[:2], y[:2], strict=True), ("a", "b", "c"))
    assert [layer.code for layer in explorer.layers] == ["LIF", "IF"]
    assert any(None in row for sample in explorer.samples for row in sample.readout)
    text = report(evaluate(snn, [(x, y)]).to_json(), None, snn.describe(), explorer)
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    page = opened((tmp_path / "report.html").as_uri())
    page.get_by_role("slider", name="Step").fill("4")
    assert "The answer now: " in page.locator("#says").inner_text()
    assert "source" not in page.locator("#explorer").inner_text()
    assert page.locator("#readout-bars canvas, #readout-bars svg").count()


def painted(page, index):
    """Return the pixels of a layer, ``[height, width, 3]``, and the colours of its key: surface, value, + and -."""
    found = page.evaluate(
        """(index) => {
            const canvas = document.querySelectorAll("#layers canvas")[index];
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const key = [...document.querySelectorAll(".key i")].map((i) => getComputedStyle(i).backgroundColor);
            return {pixels: [...pixels], width: canvas.width, key: [getComputedStyle(canvas).backgroundColor, key[2], key[0], key[1]]};
        }""",
        index,
    )
    pixels = np.array(found["pixels"]).reshape(-1, found["width"], 4)[..., :3]
    return pixels, [np.array([float(part) for part in re.findall(r"[\d.]+", text)[:3]]) for text in found["key"]]


def expected(trace, code, step, key):
    """Return the pixels that a vector of neurons has at a step, from its trace alone."""
    surface, value, plus, minus = key
    silent = len(trace.spikes) - code.steps
    m = min(step - trace.first - silent, code.steps)
    events = trace.spikes[silent:, 0].double().numpy()
    sizes = sorted(code.alphabet.magnitudes)
    now = events[m - 1] if 0 < m == step - trace.first - silent else np.zeros(events.shape[1])
    sum_ = np.array(code.weights[: max(m, 0)]) @ events[: max(m, 0)] / code.norms[max(m, 1) - 1]
    shade = np.minimum(1, np.sqrt(2 * np.abs(sum_) / code.nominal))[:, None]
    rank = np.array([sizes.index(abs(event)) + 1 if event else 0 for event in now])
    size = np.where(len(sizes) == 1, 1.0, 0.4 + 0.6 * rank / len(sizes))[:, None]
    ink = np.where(now[:, None] > 0, plus, minus)
    return np.where(now[:, None] != 0, surface + size * (ink - surface), surface + shade * (value - surface))


def test_single_spikes_bursts_and_graded_events_are_those_of_the_trace(opened, tmp_path):
    snn, x = mixed(), torch.rand(6)
    found = evaluate(snn, [(torch.rand(9, 6), torch.arange(9) % 3)], baselines=0)
    page = opened(written(tmp_path / "report.html", snn, found, torch.rand(9, 6), explore(snn, [(x, 0)])))
    traces, slider = snn.trace(x[None]), page.get_by_role("slider", name="Step")
    for step in (1, 6, 8, 12, 13, 14, 15, 18, snn.total_steps):
        slider.fill(str(step))
        for index, (name, trace) in enumerate(traces.items()):
            pixels, key = painted(page, index)
            wanted = expected(trace, snn.plan.codes[name], step, key)
            assert np.abs(pixels.reshape(-1, 3)[: len(wanted)] - wanted).max() <= 1, (name, step)
    for name, trace in traces.items():
        page.get_by_label("A few neurons of").select_option(label=name)
        card, silent = page.locator("#neurons li").first, len(trace.spikes) - snn.plan.codes[name].steps
        rows = card.locator("tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
        )
        place = int(re.search(r"Neuron (\d+)", card.inner_text()).group(1))
        cells = [[float(cell.replace("−", "-")) for cell in row if cell not in ("listens", "")] for row in rows]
        assert [row[0] for row in cells] == [trace.first + step for step in range(1, len(trace.spikes) + 1)]
        assert [row[1] for row in cells[silent:]] == trace.spikes[silent:, 0, place].tolist()
        held = [row[1 if step < silent else 3] for step, row in enumerate(cells)]
        assert held == pytest.approx(trace.membranes[:, 0, place].tolist(), abs=1e-4)
    page.locator("#layers li").nth(1).click()
    assert page.locator("#layer-code").inner_text() == "burst:6,most=2"
    page.screenshot(path=SHOTS / "report-mixed.png")


def test_without_an_explorer(opened, snn, evaluation, tmp_path):
    page = opened(written(tmp_path / "report.html", snn, evaluation, torch.rand(20, 1, 8, 8), None))
    assert page.locator("#explorer").count() == 0
    page.screenshot(path=SHOTS / "report-without-explorer.png")
