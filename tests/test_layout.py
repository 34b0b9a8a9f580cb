"""The house: imports go only downwards, files and functions stay small, nothing is imported that is not declared."""

import ast
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "canonic"
LAYERS = [
    "cli",
    "report",
    "sweep",
    "measure",
    "conversion",
    "frontend",
    "network",
    "native",
    "neurons",
    "codes",
    "datasets",
]
GROUND = ["cluster", "progress", "checks", "tables", "words", "errors"]
FILES = sorted(SOURCE.rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def layer(path):
    top = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return (LAYERS + GROUND).index(top) if top in LAYERS + GROUND else -1


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_only_downwards(path):
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "canonic" and len(parts) > 1 and path.name != "__init__.py":
            assert (LAYERS + GROUND).index(parts[1]) >= layer(path), f"{path} imports {name}"


def test_every_folder_is_in_the_layout():
    assert {p.name for p in SOURCE.iterdir() if p.is_dir() and p.name != "__pycache__"} == set(LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_and_functions_read_in_one_breath(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 260
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{node.name} has {lines} lines"


def test_what_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["zoo"], *extras["report"]]
    names = {d.split(">")[0] for d in declared} | {"PIL", "sklearn", "vl_convert", "canonic"}
    names.add("torchvision")  # brought by timm
    used = {name.split(".")[0] for path in FILES for name in imports(path)}
    assert used - set(sys.stdlib_module_names) <= names
    assert {"torch", "numpy", "safetensors", "jaxtyping", "rich", "typer", "matplotlib"} <= used


def test_every_dependency_is_justified():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*declared["dependencies"], *chain(*declared["optional-dependencies"].values())]
    text = (ROOT / "docs" / "dependencies.md").read_text()
    for dependency in wanted:
        assert f"| {dependency.split('>')[0]} |" in text


def test_the_list_of_operators_is_that_of_the_table():
    from canonic.frontend.table import describe

    assert (ROOT / "docs" / "operators.md").read_text() == "\n".join(describe()) + "\n"
