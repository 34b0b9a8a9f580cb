"""From a model to an exported program whose batch size is free: torch.export, with errors that a user can act on."""

import copy
import io
import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, ShapesCollection

from canonic.errors import ConversionError
from canonic.network.batch import described, remedy
from canonic.network.inputs import as_weights

Model = nn.Module | ExportedProgram
Example = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
"""One batch for each input, ``[batch, *shape]``: in the order of the model's forward, or by name."""


def export(model: Model, example: Example) -> ExportedProgram:
    """Return the program of a model in evaluation mode, with a free batch axis, as torch.export gives it.

    Args:
        model: a module, which is left as it is, or a program exported with a free batch axis.
        example: one batch for each input, ``[batch, *shape]``; of a dict, passed by name. Its values do not matter.

    Raises:
        ConversionError: if torch.export cannot capture the model; the message names the line of the user's code.
    """
    with quiet():
        program = model if isinstance(model, ExportedProgram) else _export(model, example)
        _require_free_batch(program)
        return program


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch from warning about its own internals, and from printing what our message then says."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        said = io.StringIO()
        with warnings.catch_warnings(), redirect_stdout(said), redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def as_inputs(batch: Tensor | Sequence[object] | Mapping[str, object]) -> tuple[Tensor, ...]:
    """Return the inputs of a batch as a tuple, checked.

    Raises:
        ConversionError: if one of them is not a real tensor with a batch axis.
    """
    named = batch if isinstance(batch, Mapping) else enumerate((batch,) if isinstance(batch, Tensor) else batch)
    return tuple(_real(name, x) for name, x in dict(named).items())


def _real(name: object, x: object) -> Tensor:
    if not isinstance(x, Tensor) or x.is_complex() or x.dim() == 0 or len(x) == 0:
        raise ConversionError(
            f"input {name} of the model must be a tensor [batch, *shape] of real numbers with at least one sample, got "
            f"{described(x)}: {remedy(x)}"
        )
    return x


def _require_float(model: nn.Module) -> None:
    for name, module in model.named_modules():
        kind = f"{type(module).__module__}.{type(module).__name__}"
        if "quantized" in kind:
            raise ConversionError(
                f"the model is quantised ({name or 'it'} is a {kind}): convert the network that it was made from"
            )


def _export(model: nn.Module, given: Example) -> ExportedProgram:
    inputs, names = as_inputs(given), list(given) if isinstance(given, Mapping) else []
    _require_float(model)
    if any(module.training for module in model.modules()):
        model = copy.deepcopy(model).eval()
    weight = next((t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()), inputs[0])
    # A batch of one would be taken for a constant.
    example = tuple(as_weights(torch.cat([x, x]) if len(x) == 1 else x, weight) for x in inputs)
    shapes: Any = ShapesCollection()  # type: ignore[no-untyped-call]
    batch = Dim("batch")
    for x in example:
        shapes[x] = {0: batch}
    placed, named = (() if names else example), dict(zip(names, example, strict=False))
    try:
        return torch.export.export(model, placed, named, dynamic_shapes=shapes)
    except Exception as error:  # torch.export raises many types, all of them about the user's model
        # Strict export reads the code instead of running it: slower, but it keeps the batch free in len(x).
        with suppress(Exception):
            return torch.export.export(model, placed, named, dynamic_shapes=shapes, strict=True)
        sizes = ", ".join(str(list(x.shape)) for x in inputs)
        raise ConversionError(_explain_failure(error, sizes)) from error


def _explain_failure(error: Exception, sizes: str) -> str:
    reason = re.split(r"\n|(?<=\w\w)\. ", str(error).strip() or type(error).__name__)[0][:300]
    decides = "data-dependent" in str(error)
    where = _user_line(error)
    hint = (
        "move decisions on data out of forward"
        if decides
        else "check that these are the shapes and types the model expects"
    )
    if "is invalid for input of size" in reason:
        hint = f"use x.shape[0] or -1 where the batch size stands, and {hint}"
    if "batch" in str(error) and ("Constraints violated" in str(error) or "specialized" in str(error)):
        reason, hint = "its code fixes the batch size", "use x.shape[0] or -1 where the batch size stands"
    return (
        f"torch.export cannot capture the model with inputs of shape {sizes}: {reason}{where}. To convert it, {hint}: "
        "torch.export.export must accept the model"
    )


def _user_line(error: BaseException) -> str:
    """Return the innermost line of code outside torch and this package that raised the error."""
    ours = (str(Path(torch.__file__).parent), str(Path(__file__).parent.parent), str(Path(re.__file__).parent.parent))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((*ours, "<"))]
    inner = [f for f in frames if f.name == "forward"] or frames[-1:]
    return f' (at {inner[-1].filename}:{inner[-1].lineno}, "{inner[-1].line}")' if inner else ""


def _require_free_batch(program: ExportedProgram) -> None:
    inputs = set(program.graph_signature.user_inputs)
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if node.name in inputs and isinstance(value, Tensor) and not isinstance([*value.shape, 0][0], torch.SymInt):
            raise ConversionError(
                f"the exported program has a fixed shape {list(value.shape)} for its input {node.name}: export it "
                'with dynamic_shapes=({0: torch.export.Dim("batch")},) so that any batch can be simulated'
            )
