"""The README, as a new user would follow it in an empty folder."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import torch

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_five_minute_path_works_in_an_empty_folder(tmp_path):
    (tmp_path / "net.py").write_text(next(block for block in blocks("python") if "def make" in block))
    make = "import torch, net; torch.save(net.make().state_dict(), 'weights.pt')"
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("canonic ")]
    assert [command.split()[1] for command in commands] == [
        "demo",
        "explain",
        "convert",
        "evaluate",
        "verify",
        "report",
        "sweep",
    ]
    for command in commands[1:]:
        program = [
            sys.executable,
            "-c",
            "from canonic.cli.main import main; main()",
            *shlex.split(command)[1:],
        ]
        subprocess.run(program, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "snn.safetensors").exists()
    assert (tmp_path / "sweep" / "fronts.png").exists()


def test_the_python_snippet_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(next(block for block in blocks("python") if "def make" in block), scope)
    x = torch.rand(20, 1, 8, 8)
    scope |= {
        "model": scope["make"]().eval(),
        "loader": [x],
        "x": x,
        "test_loader": [(x, torch.zeros(20).long())],
    }
    exec(next(block for block in blocks("python") if "canonic.convert" in block), scope)
    assert scope["steps"].shape == (9, 20, 10)
    assert list(scope["inside"]) == ["2"]


def test_the_list_of_operators_is_that_of_the_table():
    from canonic.frontend.table import describe_shortly

    assert "\n".join(describe_shortly()) in README


def test_every_file_that_it_links_is_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (Path(__file__).resolve().parents[1] / target).exists(), target
