"""Why a model cannot be run or exported, as its author can read it: one reason, one line of his code, one remedy."""

import re
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

Words = tuple[str, str]
"""What is wrong, and what to do about it."""

_BATCH = "use x.shape[0] or -1 where the batch size stands"
_SHAPES = "check that these are the shapes and types the model expects"

_HINTS = {
    "data-dependent": "move decisions on data out of forward",
    "is invalid for input of size": f"{_BATCH}, and {_SHAPES}",
    "unhashable type: non-nested SymInt": "keep the batch size out of the keys of what it caches",
}
"""What to do, by a part of torch's message."""

_SIZE = re.compile(r"L\['\w+'\]\.(size\(\)|shape)\[0\]|\bs\d+\b")
"""What torch calls the batch size."""


def explained(what: str, errors: Sequence[Exception], inputs: Sequence[Tensor]) -> str:
    """Return why something failed with these inputs, the line of the user's code, and what to do.

    The first error tells why; where it does not tell the line, a later one of the same failure may.
    """
    said = str(errors[0]).strip() or type(errors[0]).__name__
    reason, hint = _one_batch(said) or _some_batches(said) or _no_tensor(said) or _any(said)
    line = next(filter(None, (place(error) for place in (_line_of_forward, _line_told) for error in errors)), "")
    sizes = ", ".join(f"{list(x.shape)}{'' if x.is_floating_point() else f' of {x.dtype}'}" for x in inputs)
    return f"{what} with inputs of shape {sizes}: {reason}{line}. To convert it, {hint}"


def _one_batch(said: str) -> Words | None:
    found = re.search(r"specialized (?:it|batch) to be a constant \((\d+)\)", said)
    if not found:
        return None
    return (
        f"for torch.export its code is that of a batch of {found[1]} only",
        f"{_BATCH}, treat all samples alike, and use no Python loop over them",
    )


def _some_batches(said: str) -> Words | None:
    found = re.search(r"satisfy the generated guard (.+?)(?:\.?Specializations|\n|$)", said)
    if not found:
        return None
    return (
        f"its code does one thing for some batch sizes and another for the rest ({_SIZE.sub('batch', found[1])})",
        "compute each sample in the same way, however many there are",
    )


def _no_tensor(said: str) -> Words | None:
    found = re.search(r"Found <class '([^']+)'> in output", said)
    if not found:
        return None
    cache = ": with transformers, model.config.use_cache = False" if "Cache" in found[1] else ""
    known = "return tensors, in tuples, dicts or dataclasses that torch.export.register_dataclass has made known"
    return f"it returns a {found[1]}", f"{known}{cache}"


def _any(said: str) -> Words:
    reason = re.split(r"\n|(?<=\w\w)\. ", said)[0][:300]
    sized = f"keep the samples of a batch apart, and {_SHAPES}" if _SIZE.search(reason) else _SHAPES
    return _SIZE.sub("batch", reason), next((hint for part, hint in _HINTS.items() if part in said), sized)


def _line_of_forward(error: BaseException) -> str:
    """Return the innermost line of a forward outside torch and this package that raised the error."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.name == "forward" and _is_users(f.filename)]
    return f' (at {lines[-1].filename}:{lines[-1].lineno}, "{lines[-1].line}")' if lines else ""


def _line_told(error: BaseException) -> str:
    """Return the innermost line of the user's code that the text of an error tells of, as strict export does."""
    told = re.finditer(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in \S+\n\s*(?P<code>[^\n]*)', str(error))
    lines = [frame for frame in told if _is_users(frame["file"])]
    return f' (at {lines[-1]["file"]}:{lines[-1]["line"]}, "{lines[-1]["code"].strip()}")' if lines else ""


def _is_users(file: str) -> bool:
    ours = (str(Path(torch.__file__).parent), str(Path(__file__).parent.parent), str(Path(re.__file__).parent.parent))
    return not file.startswith((*ours, "<"))
