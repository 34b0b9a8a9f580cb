"""The command line within the process of a test, which has torch already."""

import os
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

from canonic.cli.main import main


def run(folder, *arguments, columns=None):
    """Return what ``canonic`` prints in a folder, and how it ends, as a process of its own would.

    Nothing is folded where no number of columns is given, whatever starts the tests says. What is imported from the
    folder is forgotten: other folders have modules of the same names.
    """
    for own_module in Path(folder).glob("*.py"):
        sys.modules.pop(own_module.stem, None)  # another test has imported one of this name
    words = [*map(str, arguments)]
    out, err, known, code = StringIO(), StringIO(), set(sys.modules), 0
    own = patch.multiple(sys, argv=["canonic", *words], path=[str(folder), *sys.path])
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment |= {} if columns is None else {"COLUMNS": str(columns)}
    with (
        chdir(folder),
        own,
        patch.dict(os.environ, environment, clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]
    return CompletedProcess(words, code, out.getvalue(), err.getvalue())
