"""Why a model cannot be run or exported, as its author can read it: one reason, one line of his code, one remedy."""

import re
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

_BATCH = "use x.shape[0] or -1 where the batch size stands"
_SHAPES = "check that these are the shapes and types the model expects"

_HINTS = {
    "data-dependent": "move decisions on data out of forward",
    "is invalid for input of size": f"{_BATCH}, and {_SHAPES}",
    "unhashable type: non-nested SymInt": "keep the batch size out of the keys of what it caches",
}
"""What to do, by a part of torch's message."""


def explained(what: str, error: Exception, inputs: Sequence[Tensor]) -> str:
    """Return why something failed with these inputs, the line of the user's code, and what to do."""
    said = str(error).strip()
    reason = re.split(r"\n|(?<=\w\w)\. ", said or type(error).__name__)[0][:300]
    hint = next((hint for part, hint in _HINTS.items() if part in said), _SHAPES)
    if "batch" in said and ("Constraints violated" in said or "specialized" in said):
        reason, hint = "its code fixes the batch size", _BATCH
    sizes = ", ".join(f"{list(x.shape)}{'' if x.is_floating_point() else f' of {x.dtype}'}" for x in inputs)
    return f"{what} with inputs of shape {sizes}: {reason}{_user_line(error)}. To convert it, {hint}"


def _user_line(error: BaseException) -> str:
    """Return the innermost line of code outside torch and this package that raised the error."""
    ours = (str(Path(torch.__file__).parent), str(Path(__file__).parent.parent), str(Path(re.__file__).parent.parent))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((*ours, "<"))]
    inner = [f for f in frames if f.name == "forward"] or frames[-1:]
    return f' (at {inner[-1].filename}:{inner[-1].lineno}, "{inner[-1].line}")' if inner else ""
