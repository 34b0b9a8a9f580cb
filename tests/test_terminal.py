"""Tables in 80 columns: a long name goes on in the next line, no number is cut, nothing is lost."""

from pathlib import Path

import pytest
import torch
from rich.table import Table
from torch import nn

from canonic import CSS, convert, evaluate, explain
from canonic.cli.evaluation import show_evaluation
from canonic.cli.render import show_demo, show_explanation, show_network, show_verification
from canonic.cli.sweep import _print
from canonic.cli.terminal import columns, tell
from canonic.sweep import Outcome, Setting, Sweep

LONG = "a_block_of_the_encoder_with_a_name_that_is_far_too_long_for_any_table"


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    model = nn.Sequential()
    for index in range(3):
        model.add_module(f"{LONG}_{index}", nn.Sequential(nn.Linear(6, 6), nn.ReLU()))
    model.eval()
    x = torch.randn(12, 6)
    snn = convert(model, [x], code=CSS(steps=4))
    found = evaluate(snn, [(x, torch.randint(6, (12,)))], baselines=6)
    refused = Outcome(Setting(4, 9), None, "silent must be a whole number from 0 to 4, got 9", {})
    swept = Sweep((Outcome(Setting(4, "auto", 0.55, "percentile", "bf16x2"), found.to_json(), "", {}), refused))
    return {
        "explain": lambda: show_explanation(explain(model, x)),
        "convert": lambda: show_network(snn, Path("n.safetensors")),
        "evaluate": lambda: show_evaluation(found),
        "verify": lambda: show_verification(snn.verify([x])),
        "demo": lambda: show_demo({"T = 4": found}, Path("demo")),
        "sweep": lambda: _print(swept, Path("sweep"), as_json=False),
    }


@pytest.mark.parametrize("name", ["explain", "convert", "evaluate", "verify", "demo", "sweep"])
def test_a_table_has_no_line_that_is_too_long_and_loses_nothing(parts, name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    parts[name]()
    narrow = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "400")
    parts[name]()
    wide = capsys.readouterr().out
    assert max(map(len, narrow.splitlines())) <= 80
    assert "…" not in narrow
    words = {word for word in wide.split() if len(word) <= 16}
    assert words <= set(narrow.split())
    assert sorted(narrow.replace("\n", "").replace(" ", "")) == sorted(wide.replace("\n", "").replace(" ", ""))


def test_names_are_no_markup(capsys):
    tell(columns(("layer",), [("[bold]block[/bold]",), (":smile:",)]), "[red]x")
    assert {"[bold]block[/bold]", ":smile:", "[red]x"} <= set(capsys.readouterr().out.split())


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch, capsys):
    table = Table("verdict", box=None)
    table.add_row("refused", style="bold red")
    monkeypatch.setenv("FORCE_COLOR", "1")
    tell(table)
    assert "\x1b[1;31m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    tell(table)
    assert "31m" not in capsys.readouterr().out
