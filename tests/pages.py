"""Pages of documentation, followed as a reader would: files are written, commands and Python are run, in order."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', re.DOTALL | re.MULTILINE)


def blocks(page):
    """Return (language, title, content) of each block of code."""
    return FENCE.findall((ROOT / page).read_text())


def commands(content):
    """Return the commands of a block of shell, without comments; a line may go on behind a backslash."""
    joined = content.replace("\\\n", " ")
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


def run(words, monkeypatch):
    """Run a command in this process: starting Python anew for each takes longer than the commands."""
    monkeypatch.setattr(sys, "argv", words)
    if words[0] == "python":
        runpy.run_path(words[1], run_name="__main__")
        return
    from canonic.cli.main import main

    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code, words


def follow(page, folder, monkeypatch, leave_out=()):
    """Do what a page says, in a folder; commands that begin with one of some words are left out."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name in [name for name in sys.modules if (folder / f"{name}.py").exists()]:
        monkeypatch.delitem(sys.modules, name)
    scope = {"__name__": "page"}
    for language, title, content in blocks(page):
        if language == "python" and title.endswith(".py"):
            Path(title).write_text(content)
        elif language == "python":
            exec(compile(content, page, "exec"), scope)
        elif language == "sh" and not title:
            for words in commands(content):
                if not any(" ".join(words).startswith(start) for start in leave_out):
                    run(words, monkeypatch)
