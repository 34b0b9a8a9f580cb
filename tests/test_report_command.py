"""The command that writes a report: from a network, some data, and an evaluation that was made before."""

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from canonic import CSS, convert, evaluate
from canonic.cli.main import main
from tests.evaluations import made_up
from tests.test_cli import canonic


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder with a network, an evaluation of it, and some data."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("user")
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)).eval()
    snn = convert(model, [torch.rand(50, 1, 8, 8)], code=CSS(steps=5, silent=1))
    snn.save(path / "small.safetensors")
    x, y = torch.rand(30, 1, 8, 8), torch.arange(30) % 10
    (path / "evaluation.json").write_text(json.dumps(evaluate(snn, [(x, y)]).to_json()))
    (path / "another.json").write_text(json.dumps(made_up(dict(snn.graph.neurons), steps=5)))
    (path / "damaged.json").write_text("{")
    (path / "list.json").write_text("[]")
    (path / "other.json").write_text('{"accuracy": 1}')
    (path / "bare.json").write_text('{"format": "canonic evaluation 3"}')
    np.savez(path / "data.npz", x=x.numpy(), y=y.numpy())
    np.savez(path / "bare.npz", x=x.numpy())
    np.savez(path / "others.npz", x=x.numpy(), y=1 - y.numpy() % 2)
    return path


def test_it_measures_and_writes_a_page(folder):
    options = ("--data", "data.npz", "--limit", 20, "--pictures", 3, "--out", "page.html")
    done = canonic("report", "small.safetensors", *options, cwd=folder, check=0)
    assert "written to page.html" in done.stdout
    assert "MB): open it in a browser" in done.stdout
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert "<h1>small</h1>" in text
    sources = r"<p class=.note.>Figures: 20 samples of data.npz, SHA-256 [0-9a-f]{12}; layers: 20 samples of data.npz; "
    assert re.search(sources + "explorer: 3 samples of data.npz", text)
    assert "rate code" in text  # other codes are measured, too
    assert len(json.loads(text.partition('id="explorer-data">')[2].partition("</script>")[0])["samples"]) == 3


def test_names_of_the_classes_and_an_evaluation_that_was_made_before(folder):
    options = ("--data", "data.npz", "--evaluation", "evaluation.json", "--classes", "a,b,c,d,e,f,g,h,i,j")
    canonic("report", "small.safetensors", *options, "--out", "named.html", cwd=folder, check=0)
    assert '"classes":["a","b","c","d","e","f","g","h","i","j"]' in (folder / "named.html").read_text(encoding="utf-8")


def test_figures_of_more_samples_than_the_rest_are_said_to_be(folder):
    options = ("--data", "data.npz", "--evaluation", "evaluation.json", "--limit", 10, "--pictures", 0)
    canonic("report", "small.safetensors", *options, "--out", "fewer.html", cwd=folder, check=0)
    text = (folder / "fewer.html").read_text(encoding="utf-8")
    assert "Figures: 30 samples of evaluation.json, not as many as those of data.npz, SHA-256" in text
    assert "; layers: 10 samples of data.npz.</p>" in text
    assert '<th scope="row">data of the layers</th><td>10 samples of data.npz</td>' in text


def test_data_without_labels_is_said_not_to_be_compared(folder):
    options = ("--data", "bare.npz", "--evaluation", "evaluation.json", "--pictures", 1, "--out", "bare.html")
    canonic("report", "small.safetensors", *options, cwd=folder, check=0)
    text = (folder / "bare.html").read_text(encoding="utf-8")
    assert "Figures: 30 samples of evaluation.json, not compared with bare.npz, which has no labels, SHA-256" in text


def test_after_ctrl_c_the_page_is_said_to_be_partial(folder, monkeypatch, capsys, ctrl_c):
    def interrupted(*given, **rest):
        return replace(evaluate(*given, **rest), gap="interrupted after 30 samples")

    monkeypatch.setattr("canonic.cli.report.evaluate", interrupted)
    monkeypatch.chdir(folder)
    options = ("--data", "data.npz", "--pictures", "0", "--baselines", "0", "--out", "partial.html")
    monkeypatch.setattr(sys, "argv", ["canonic", "report", "small.safetensors", *options])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 130
    said = capsys.readouterr()
    assert said.out == "PARTIAL: written to partial.html, from the samples seen so far\n"
    assert said.err == ""
    assert "Interrupted after 30 samples" in (folder / "partial.html").read_text(encoding="utf-8")


CANNOT = [
    (("--evaluation", "damaged.json"), "cannot read the evaluation damaged.json (Expecting property name"),
    (("--evaluation", "absent.json"), "cannot read the evaluation absent.json"),
    (("--evaluation", "list.json"), "list.json holds no evaluation: write it with canonic evaluate --json > list.json"),
    (("--evaluation", "another.json"), "another.json is of another network: its fingerprint is 5f5f5f5f5f5f, that of"),
    (("--evaluation", "other.json"), "other.json is of the format None, the report reads 'canonic evaluation 3'"),
    (
        ("--evaluation", "bare.json"),
        "bare.json is not a whole evaluation (network is missing, data is missing, task is missing and 9 others): write "
        "it again with canonic evaluate --json > bare.json",
    ),
    (
        ("--evaluation", "evaluation.json", "--classes", "a,b"),
        "the network has 10 outputs, but got 2 class names",
    ),
    (("--classes", "a,b", "--pictures", 0), "the network has 10 outputs, but got 2 class names: give one for each"),
    (
        ("--evaluation", "evaluation.json", "--data", "others.npz"),
        "evaluation.json is of other data than others.npz: as many samples (30), but the hash ",
    ),
]


@pytest.mark.parametrize(("options", "message"), CANNOT, ids=[m for _, m in CANNOT])
def test_what_cannot_be_done(folder, options, message):
    done = canonic(
        "report", "small.safetensors", "--data", "data.npz", *options, "--out", "no.html", cwd=folder, check=1
    )
    assert message in done.stderr
    assert not (folder / "no.html").exists()
