"""The README, as a new user would follow it in an empty folder."""

import subprocess
import sys

import torch

from tests.pages import blocks, commands, run

README = blocks("README.md")
PYTHON = [content for language, _, content in README if language == "python"]


def test_the_five_minute_path_works_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "net.py").write_text(next(content for content in PYTHON if "def make" in content))
    scope = {}
    exec((tmp_path / "net.py").read_text(), scope)
    torch.save(scope["make"]().state_dict(), "weights.pt")
    listed = [words for language, _, content in README if language == "sh" for words in commands(content)]
    ours = [words for words in listed if words[0] == "canonic"]
    path, training = ours[:5], ours[5:]
    assert [words[1] for words in path] == ["explain", "convert", "evaluate", "verify", "report"]
    first, *others = path
    program = [sys.executable, "-c", "from canonic.cli.main import main; main()", *first[1:]]
    subprocess.run(program, check=True, capture_output=True)  # once as it is typed; the others need no new Python
    for words in others:
        run(words, monkeypatch)
    assert (tmp_path / "snn.safetensors").exists()
    assert (tmp_path / "report.html").exists()
    page = [
        words for language, _, content in blocks("docs/learn.md") if language == "sh" for words in commands(content)
    ]
    known = [" ".join(words).replace(" --limit 100", "") for words in page]  # tests/test_docs.py follows that page
    assert [line for words in training if (line := " ".join(words).replace(" --limit 100", "")) not in known] == []


def test_the_python_snippet_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(next(content for content in PYTHON if "def make" in content), scope)
    x = torch.rand(20, 1, 8, 8)
    scope |= {
        "model": scope["make"]().eval(),
        "loader": [torch.rand(400, 1, 8, 8)],
        "x": x,
        "test_loader": [(x, torch.zeros(20).long())],
    }
    exec(next(content for content in PYTHON if "canonic.convert" in content), scope)
    assert scope["steps"].shape == (scope["snn"].total_steps, 20, 10)
    assert scope["snn"].record["goal"]["demands"][0]["what"] == "agreement"
    assert scope["fixed"].total_steps == 9
    assert list(scope["inside"]) == ["2"]
