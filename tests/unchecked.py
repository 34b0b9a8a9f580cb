"""What expressions say in a process of its own: in that of the tests types are checked first, which users do not do."""

import subprocess
import sys
from collections.abc import Iterable

PROGRAM = """
{imports}
from canonic import CanonicError
for expression in {expressions!r}:
    try:
        print(eval(expression))
    except CanonicError as error:
        print(error)
"""


def said(expressions: Iterable[str], imports: str) -> list[str]:
    """Return for each expression the message of its error, or what it gave."""
    program = PROGRAM.format(imports=imports, expressions=list(expressions))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
