"""The house: imports go only downwards, files and functions stay small, nothing is imported that is not declared."""

import ast
import re
import sys
import tomllib
from functools import cache
from itertools import chain, pairwise
from pathlib import Path
from typing import get_args

import pytest

from canonic.frontend.decompose import KNOWN
from canonic.network.traits import TRAITS, Trait

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "canonic"
LAYERS = [
    "cli",
    "report",
    "sweep",
    "goals",
    "export",
    "measure",
    "learn",
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


@cache
def parsed(path):
    return ast.parse(path.read_text())


def imports(path):
    for node in ast.walk(parsed(path)):
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
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_function_inside_another_calls_itself(path):
    """It would be a cycle that holds what it reads, a batch of activations, until the next collection."""
    functions = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef)]
    inner = [own for one in functions for own in ast.walk(one) if isinstance(own, ast.FunctionDef) and own is not one]
    closures = [own for own in inner if any(isinstance(n, ast.Name) and n.id == own.name for n in ast.walk(own))]
    assert [own.name for own in closures] == []


def texts(tree):
    """Yield the texts of a file that are no docstrings."""
    lines = {n.value for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    yield from (
        n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str) and n not in lines
    )


def sides(tree):
    """Yield the two sides of each comparison in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            yield from pairwise([node.left, *node.comparators])


def attribute(node):
    """Return the last two names of ``a.b.c``."""
    return ast.unparse(node).split(".")[-2:] if isinstance(node, ast.Attribute) else []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_operators_are_named_in_their_table_alone(path):
    if "frontend" in path.parts or path.name == "traits.py":
        return
    tree = parsed(path)
    assert not [text.value for text in texts(tree) if re.match(r"aten\.\w", text.value)]
    compared = [ast.unparse(side) for pair in sides(tree) for side in pair if attribute(side)[1:] == ["operator"]]
    assert all(name.endswith(".origin.operator") for name in compared), compared


def test_traits_are_words_of_their_list_and_those_of_operators_that_are_known():
    asked = [
        left.value
        for path in FILES
        for left, right in sides(parsed(path))
        if attribute(right)[1:] == ["traits"] and isinstance(left, ast.Constant)
    ]
    assert set(asked) <= set(get_args(Trait))
    assert set(get_args(Trait)) == {trait for traits in TRAITS.values() for trait in traits}
    assert TRAITS.keys() <= KNOWN


def test_what_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["zoo"], *extras["report"], *extras["nir"], *extras["onnx"]]
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


def test_the_page_of_the_architecture_names_what_there_is():
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE) == LAYERS
    named = set(re.findall(r"`((?:\w+/)+\w+\.\w+)`", text))
    assert len(named) > 15
    assert [name for name in named if not ((SOURCE / name).exists() or (ROOT / name).exists())] == []
