"""One number in every code: its equations, its train as text, and the page on which it is dragged, in a browser."""

import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from canonic.codes import CODES, code_of, text_of
from canonic.report.trainpicture import trains_picture
from canonic.report.trains import EXAMPLES, HUNDREDTHS, sent, theta_of, trains_of, trains_page
from tests.commands import run

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "trains.html"
EVERY = [code_of(text) for text in EXAMPLES]


def evaluated(equation, code, m, before):
    """Return what an equation says of digit m, without the code's own arithmetic."""
    text = re.sub(r"(\w) (?=\d)", r"\1 * ", equation.replace("w[1] + ... + w[m]", "sum(before)"))
    own = {"T": code.steps, "K": getattr(code, "period", 0), "P": getattr(code, "periods", 0), "t_d": 0.0}
    own["d"] = (None, *getattr(code, "fitted", ((), (), ()))[2])
    names = {"m": m, "before": before, "exp": math.exp, "sum": sum, **own, **vars(code)}
    return eval(text.replace("mod", "%").replace("^", "**"), names)


@pytest.mark.parametrize("code", EVERY, ids=EXAMPLES)
def test_the_equations_of_a_code_are_its_weights_and_norms(code):
    weights = [evaluated(code.equations[0], code, m, ()) for m in range(1, code.steps + 1)]
    norms = [evaluated(code.equations[1], code, m, weights[:m]) for m in range(1, code.steps + 1)]
    assert weights == pytest.approx(code.weights)
    assert norms == pytest.approx(code.norms)


def test_the_documentation_has_every_code_with_its_equations_and_its_source():
    lines = [line for line in (DOCS / "codes.md").read_text().splitlines() if line.startswith("| `")]
    found = {cells[1].strip(" `"): [cell.strip() for cell in cells] for cells in (line.split("|") for line in lines)}
    for name, code in CODES.items():
        assert tuple(found[name][2:4]) == code.equations
        assert code.source in found[name][6]


def test_every_code_is_on_the_page():
    assert {code.name for code in EVERY} == set(CODES)
    assert PAGE.read_text() == trains_page(), "make it again: canonic codes --page docs/trains.html"
    assert len(trains_page()) < 300_000


@pytest.mark.parametrize("code", [code for code in EVERY if code.name != "fitted-few-spike"], ids=text_of)
def test_a_number_is_within_what_the_code_can_say(code):
    """The largest is sent whole, but for the last digit; what is below zero only with negative events."""
    x = torch.linspace(-1, 1, 41, dtype=torch.float64)
    values = code.decode(trains_of(code, x), theta_of(code))
    assert values[-1].item() == pytest.approx(1, abs=0.005)
    assert values[20].item() == 0
    assert bool((values[:20] < 0).any()) == code.alphabet.signed


def shown(page):
    """Return for each code what is drawn and told of its train."""
    return page.evaluate(
        """() => [...document.querySelectorAll("#codes > li")].map((card) => ({
            code: card.dataset.code,
            rows: [...card.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent)),
            drawn: ["plus", "minus"].map((kind) => card.querySelectorAll(`rect.${kind}`).length),
            label: card.querySelector("svg").ariaLabel,
            facts: [...card.querySelectorAll("dd")].map((fact) => fact.textContent),
        }))"""
    )


def number(text):
    return float(text.replace("−", "-"))


def check(found, code, x):
    """Compare what a page shows of a code with what the package sends."""
    train = trains_of(code, torch.tensor([x], dtype=torch.float64))
    values = (code.prefixes(train)[:, 0] * theta_of(code)).tolist()
    digits = found["rows"][code.silent :]
    assert [row[1] for row in found["rows"][: code.silent]] == ["listens"] * code.silent
    assert [number(row[1]) for row in digits] == pytest.approx(train[:, 0].tolist(), abs=1e-6)
    assert [number(row[2]) for row in digits] == pytest.approx([w * theta_of(code) for w in code.weights], abs=1e-6)
    assert [number(row[3]) for row in digits] == pytest.approx(values, abs=6e-5)
    assert [int(row[0]) for row in found["rows"]] == list(range(1, code.silent + code.steps + 1))
    assert found["drawn"] == [int((train > 0).sum()), int((train < 0).sum())]
    assert number(found["facts"][1]) == pytest.approx(values[-1] - x, abs=6e-5)
    assert found["facts"][2] == f"{sum(found['drawn'])} of {code.steps}"
    assert found["label"].startswith(code.name)


def test_a_dragged_number_shows_the_trains_of_the_package(opened):
    page = opened(PAGE.as_uri())
    slider = page.get_by_role("slider", name="Number")
    box, seen = slider.bounding_box(), []
    page.mouse.move(box["x"] + 0.85 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.97, 0.62, 0.5, 0.21):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        x = int(slider.input_value()) / 100
        assert number(page.locator("#now").inner_text()) == x
        for found, code in zip(shown(page), EVERY, strict=True):
            check(found, code, x)
        seen.append(x)
    page.mouse.up()
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 0.9
    assert seen[-1] < -0.5
    page.screenshot(path=DOCS.parent / "test-output" / "trains.png")


def test_by_keyboard_and_on_a_phone_in_the_dark(opened):
    page = opened(PAGE.as_uri(), width=390, theme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Tab")  # the number is the first thing there is
    for key, x in (("ArrowLeft", 0.69), ("ArrowRight", 0.70), ("Home", -1.0), ("End", 1.0)):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.ariaValueText") == f"{x:.2f}".replace("-", "−")
    check(shown(page)[0], EVERY[0], 1.0)
    page.locator("summary").first.click()
    assert page.get_by_role("row", name="listens").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=DOCS.parent / "test-output" / "trains-phone.png")


def test_a_number_in_the_terminal(tmp_path):
    found = json.loads(run(tmp_path, "codes", "--number", "-0.3", "--codes", "css:4 rate:4", "--json").stdout)
    assert [one["code"] for one in found] == ["css:4", "rate:4"]
    assert found[1]["train"] == [0, 0, 0, 0]
    assert found[0] == sent(code_of("css:4"), -0.3).to_json() | {"train": [-1, 1, 0, -1]}
    assert "_ -1 1 . -1" in run(tmp_path, "codes", "--number", "-0.3").stdout
    assert "number must lie in [-1, 1], got 1.5" in run(tmp_path, "codes", "--number", "1.5").stderr


def test_a_picture_has_a_bar_for_every_event(tmp_path):
    for x in (0.7, -0.3):
        picture = ElementTree.fromstring(trains_picture(EVERY, x))
        kinds = [bar.get("class") for bar in picture.iter("{http://www.w3.org/2000/svg}rect")]
        digits = [digit for code in EVERY for digit in sent(code, x).train if digit]
        assert [kinds.count(kind) for kind in ("plus", "minus")] == [
            sum(digit > 0 for digit in digits),
            sum(digit < 0 for digit in digits),
        ]
    again = "make it again: canonic codes --picture docs/images/trains.svg"
    assert (DOCS / "images" / "trains.svg").read_text() == trains_picture(EVERY, 0.7), again
    run(tmp_path, "codes", "--picture", "own.svg", "--codes", "rate:4", "--number", "0.2")
    assert (tmp_path / "own.svg").read_text() == trains_picture([code_of("rate:4")], 0.2)


def test_a_page_of_some_codes(tmp_path):
    run(tmp_path, "codes", "--codes", "rate:16", "--page", "own.html")
    text = (tmp_path / "own.html").read_text()
    assert text == trains_page([code_of("rate:16")])
    assert len(json.loads(text.split('id="data">')[1].split("</script>")[0])["hundredths"]) == len(HUNDREDTHS)
    assert "choose a folder that exists" in run(tmp_path, "codes", "--page", "none/own.html").stderr
