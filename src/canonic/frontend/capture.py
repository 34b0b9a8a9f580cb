"""From a model to an exported program whose batch size is free: torch.export, with errors that a user can act on."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, ShapesCollection
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from canonic.errors import ConversionError
from canonic.frontend.eager import agree, answers, distinct, evaluating
from canonic.frontend.failure import explained
from canonic.frontend.models import Model
from canonic.frontend.quiet import quiet
from canonic.network.batch import described, remedy
from canonic.network.inputs import as_weights

CDIST = 25
"""Rows beyond which torch.cdist computes the same in another way: a bound that torch gives to the batch there."""

Example = Tensor | Sequence[Tensor] | Mapping[str, Tensor]
"""One batch for each input, ``[batch, *shape]``: in the order of the model's forward, or by name."""


@dataclass(frozen=True)
class Captured:
    """A model as torch.export gives it, and what the model itself computes.

    Attributes:
        model: in evaluation mode.
        program: with a free batch axis; the model, where that is a program.
        inputs: two or three samples ``[batch, *shape]`` for each input.
        form: of the call's arguments: those by place, and those by name.
        answers: what the model computed of them, before it was exported.
        failure: why it computed nothing: what is refused by name says more, and goes first.
    """

    model: Model
    program: ExportedProgram
    inputs: tuple[Tensor, ...]
    form: pytree.TreeSpec
    answers: list[Tensor]
    failure: ConversionError | None


@contextmanager
def captured(model: Model, example: Example) -> Iterator[Captured]:
    """Capture a model in evaluation mode; in the end it is left as it was.

    It is run before it is exported, on the same samples: what it computes once and keeps, such as a map of positions,
    is then made of numbers, and not of the stand-ins of ``torch.export``.

    Args:
        model: a module, or a program exported with a free batch axis.
        example: one batch for each input, ``[batch, *shape]``.

    Raises:
        ConversionError: if the model cannot be captured; the message names the line of the user's code.
    """
    weight = next((t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()), None)
    given = as_inputs(example)
    inputs = tuple(distinct(as_weights(x, given[0] if weight is None else weight)) for x in given)
    form = _form(model, example, inputs)
    with quiet(), evaluating(model) as changed:
        found, failure = _answers(model, inputs, form, changed)
        program = model if isinstance(model, ExportedProgram) else _export(model, inputs, form, failure)
        _require_free_batch(program)
        yield Captured(model, program, inputs, form, found, failure)


def export(model: Model, example: Example) -> ExportedProgram:
    """Return the program of a model in evaluation mode, with a free batch axis; takes and raises as ``captured``."""
    with captured(model, example) as capture:
        return capture.program


def _form(model: Model, example: Example, inputs: tuple[Tensor, ...]) -> pytree.TreeSpec:
    if isinstance(model, ExportedProgram):
        given: pytree.TreeSpec = model.call_spec.in_spec
        return given
    if isinstance(example, Mapping):
        return pytree.tree_structure(((), dict(zip(example, inputs, strict=True))))
    return pytree.tree_structure((inputs, {}))


def as_inputs(batch: Tensor | Sequence[object] | Mapping[str, object]) -> tuple[Tensor, ...]:
    """Return the inputs of a batch as a tuple, checked.

    Raises:
        ConversionError: if one of them is not a real tensor with a batch axis.
    """
    alone = isinstance(batch, Tensor) or not isinstance(batch, Iterable)
    named = batch if isinstance(batch, Mapping) else dict(enumerate((batch,) if alone else batch))
    return tuple(_real(name, x) for name, x in named.items())


def _real(name: object, x: object) -> Tensor:
    if not isinstance(x, Tensor) or x.is_complex() or x.dim() == 0 or len(x) == 0:
        raise ConversionError(
            f"input {name} of the model must be a tensor [batch, *shape] of real numbers with at least one sample, got "
            f"{described(x)}: {remedy(x)}"
        )
    return x


def _answers(
    model: Model, inputs: tuple[Tensor, ...], form: pytree.TreeSpec, changed: Callable[[], dict[str, Tensor]]
) -> tuple[list[Tensor], ConversionError | None]:
    """Return what the model computes, or why it cannot; it is run once more if it changes itself on the way."""
    try:
        found, once = answers(model, inputs, form), changed()
        again = [*answers(model, inputs, form), *changed().values()] if once else []
    except Exception as error:  # noqa: BLE001 - the user's own code may raise anything
        return [], ConversionError(explained("the model cannot be run", [error], inputs))
    if all(map(agree, again, [*found, *once.values()])):
        return found, None
    return found, ConversionError(
        f"the model answers otherwise each time it is run, as its forward changes {', '.join([*once][:5])}: a spiking "
        "network has no such state; compute it outside of forward"
    )


def _export(
    model: nn.Module, inputs: tuple[Tensor, ...], form: pytree.TreeSpec, failure: ConversionError | None
) -> ExportedProgram:
    errors: list[Exception] = []
    for batch, strict in _ways(inputs):
        try:
            return _exported(model, pytree.tree_unflatten(inputs, form), inputs, batch, strict=strict)
        except Exception as error:  # noqa: BLE001 - torch.export raises many types, all of them about the user's model
            errors.append(error)
    failed = explained("torch.export cannot capture the model", errors, inputs)
    raise failure or ConversionError(f"{failed}: torch.export.export must accept the model") from errors[0]


def _ways(inputs: Sequence[Tensor]) -> Iterator[tuple[Any, bool]]:
    """Yield the ways to export: what the size of the batch is for torch, and whether export is strict.

    Strict export reads the code instead of running it: slower, but it keeps the batch free in len(x). A size without a
    name may get bounds from torch: not all that it cannot prove for every batch size depends on it.
    """
    yield Dim("batch"), False
    yield Dim("batch"), True
    if len(inputs) == 1:  # those of several inputs would be sizes of their own
        yield Dim.DYNAMIC, False


def _exported(
    model: nn.Module, arguments: Any, inputs: Sequence[Tensor], batch: Any, *, strict: bool
) -> ExportedProgram:
    shapes: Any = ShapesCollection()  # type: ignore[no-untyped-call]
    for x in inputs:
        shapes[x] = {0: batch}
    with nullcontext() if strict else _Data():
        program = torch.export.export(model, *arguments, dynamic_shapes=shapes, strict=strict)
    for constant in program.constants.values():
        constant.untyped_storage().data_ptr()  # reading the numbers of a stand-in would end the process
    sizes = [bounds for size, bounds in program.range_constraints.items() if str(size).startswith("s")]
    if not all(bounds.lower <= 2 and bounds.upper >= CDIST for bounds in sizes):
        raise ValueError("the program is not that of all batches")
    return program


class _Data(TorchFunctionMode):
    """Lets torch.export see through ``tensor.data``, by which layers constrain their weights in forward."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func == Tensor.data.__get__:  # type: ignore[attr-defined]
            return args[0].detach()
        if func == Tensor.data.__set__:  # type: ignore[attr-defined]
            with torch.no_grad():
                args[0].copy_(args[1])
            return None
        return func(*args, **(kwargs or {}))


def _require_free_batch(program: ExportedProgram) -> None:
    inputs = set(program.graph_signature.user_inputs)
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if node.name in inputs and isinstance(value, Tensor) and not isinstance([*value.shape, 0][0], torch.SymInt):
            raise ConversionError(
                f"the exported program has a fixed shape {list(value.shape)} for its input {node.name}: export it "
                'with dynamic_shapes=({0: torch.export.Dim("batch")},) so that any batch can be simulated'
            )
