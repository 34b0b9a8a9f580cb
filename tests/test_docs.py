"""The documentation as a reader would follow it: every command and every example runs, every link is there."""

import doctest
import json
import pkgutil
import re
import shutil
from types import ModuleType

import pytest

import canonic
from canonic import codes
from tests.pages import ROOT, follow

DEMO = ("canonic demo",)  # tests/test_demo.py
TASKS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "tasks").glob("*.md"))


@pytest.fixture(scope="session")
def ten_minutes(tmp_path_factory):
    """The folder that docs/start.md leaves behind."""
    folder = tmp_path_factory.mktemp("start")
    with pytest.MonkeyPatch.context() as monkeypatch:
        follow("docs/start.md", folder, monkeypatch, leave_out=DEMO)
    return folder


def test_the_ten_minutes_leave_a_network_and_a_report(ten_minutes):
    assert (ten_minutes / "snn.safetensors").exists()
    assert (ten_minutes / "report.html").stat().st_size > 1e6


@pytest.mark.parametrize("page", TASKS)
def test_every_task_can_be_done_as_its_page_says(page, ten_minutes, tmp_path, monkeypatch):
    for name in ("net.py", "weights.pt", "snn.safetensors"):
        shutil.copy(ten_minutes / name, tmp_path)
    follow(page, tmp_path, monkeypatch)


def test_a_network_is_trained_as_the_page_says(tmp_path, monkeypatch):
    follow("docs/learn.md", tmp_path, monkeypatch, leave_out=("canonic learn", "canonic evaluate"))  # other tests
    assert (tmp_path / "own.safetensors").exists()
    assert (tmp_path / "lif.html").exists()


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    scope = {}
    for cell in json.loads((ROOT / "docs" / "notebook.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), scope)
    assert scope["found"].agreement > 0.98


def test_every_page_is_in_the_table_of_contents():
    listed = re.findall(r": (\S+\.(?:md|ipynb))$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    there = [path for path in (ROOT / "docs").rglob("*") if path.suffix in (".md", ".ipynb")]
    assert sorted(listed) == sorted(path.relative_to(ROOT / "docs").as_posix() for path in there)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        *(f"docs/{p.relative_to(ROOT / 'docs').as_posix()}" for p in (ROOT / "docs").rglob("*.md")),
    ],
)
def test_every_file_that_is_linked_is_there(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_examples_of_the_page_of_the_codes_give_what_it_says():
    tried = doctest.testfile(str(ROOT / "docs" / "codes.md"), module_relative=False)
    assert tried.attempted > 5
    assert tried.failed == 0


def described():
    """Return what the page of the Python interface describes: modules stand for the classes and functions in them."""
    named = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    found = [pkgutil.resolve_name(name) for name in named]
    return [one for each in found for one in (vars(each).values() if isinstance(each, ModuleType) else (each,))]


def test_the_page_of_the_python_interface_describes_all_of_it():
    there = described()
    public = [getattr(canonic, name) for name in canonic.__all__] + list(codes.CODES.values())
    encoders = [one for one in vars(codes).values() if isinstance(one, type) and hasattr(one, "budget")]
    assert len(encoders) > 4
    assert [one.__name__ for one in (*public, *encoders) if one not in there] == []
