"""What a new user meets first: the names of the package, the flags of the command line, and how fast they are."""

import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

import canonic
from canonic.cli.main import app


def test_the_public_names_can_be_seen_before_they_are_imported():
    assert set(canonic.__all__) <= set(dir(canonic))
    assert {"report", "sweep", "datasets", "__version__"} <= set(dir(canonic))
    assert all(getattr(canonic, name) is not None for name in dir(canonic))
    assert canonic.__version__ == version("canonic")
    with pytest.raises(AttributeError, match="has no attribute 'converts'"):
        canonic.converts  # noqa: B018


@pytest.mark.parametrize("flags", [["-h"], ["--help"], ["evaluate", "-h"]])
def test_help_has_two_names(flags):
    done = CliRunner().invoke(app, flags, env={"COLUMNS": "80"})
    assert done.exit_code == 0
    assert "Usage: canonic" in done.output
    assert max(map(len, done.output.splitlines())) <= 80


def test_the_version():
    assert CliRunner().invoke(app, ["--version"]).output == f"canonic {version('canonic')}\n"


def test_completion():
    asked = {"_CANONIC_COMPLETE": "complete_bash", "COMP_WORDS": "canonic ev", "COMP_CWORD": "1"}
    assert CliRunner().invoke(app, prog_name="canonic", env=asked).output.split() == ["evaluate"]


def test_help_loads_no_torch():
    program = "import sys; from canonic.cli.main import app; app(['-h'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy"} & set(done.stdout.splitlines()[-1].split())
