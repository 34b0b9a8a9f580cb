"""The command that writes a report: from a network, some data, and an evaluation that was made before."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from canonic import CSS, convert, evaluate
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
    (path / "bare.json").write_text('{"format": "canonic evaluation 1"}')
    np.savez(path / "data.npz", x=x.numpy(), y=y.numpy())
    return path


def test_it_measures_and_writes_a_page(folder):
    options = ("--data", "data.npz", "--limit", 20, "--pictures", 3, "--out", "page.html")
    done = canonic("report", "small.safetensors", *options, cwd=folder, check=0)
    assert "written to page.html" in done.stdout
    assert "MB): open it in a browser" in done.stdout
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert "<h1>small</h1>" in text
    assert "20 samples" in text
    assert "rate code" in text  # other codes are measured, too
    assert len(json.loads(text.partition('id="explorer-data">')[2].partition("</script>")[0])["samples"]) == 3


def test_names_of_the_classes_and_an_evaluation_that_was_made_before(folder):
    options = ("--data", "data.npz", "--evaluation", "evaluation.json", "--classes", "a,b,c,d,e,f,g,h,i,j")
    canonic("report", "small.safetensors", *options, "--out", "named.html", cwd=folder, check=0)
    assert '"classes":["a","b","c","d","e","f","g","h","i","j"]' in (folder / "named.html").read_text(encoding="utf-8")


CANNOT = [
    (("--evaluation", "damaged.json"), "cannot read the evaluation damaged.json (Expecting property name"),
    (("--evaluation", "absent.json"), "cannot read the evaluation absent.json"),
    (("--evaluation", "list.json"), "list.json holds no evaluation: write it with canonic evaluate --json > list.json"),
    (("--evaluation", "another.json"), "another.json is of another network: its fingerprint is 5f5f5f5f5f5f, that of"),
    (("--evaluation", "other.json"), "other.json is of the format None, the report reads 'canonic evaluation 1'"),
    (
        ("--evaluation", "bare.json"),
        "bare.json is not a whole evaluation (network is missing, data is missing, task is missing and 7 others): write "
        "it again with canonic evaluate --json > bare.json",
    ),
    (
        ("--evaluation", "evaluation.json", "--classes", "a,b"),
        "the network has 10 outputs, but there are 2 class names",
    ),
]


@pytest.mark.parametrize(("options", "message"), CANNOT, ids=[m for _, m in CANNOT])
def test_what_cannot_be_done(folder, options, message):
    done = canonic(
        "report", "small.safetensors", "--data", "data.npz", *options, "--out", "no.html", cwd=folder, check=1
    )
    assert message in done.stderr
    assert not (folder / "no.html").exists()
