"""The last word on a graph: on a few samples it must give what the model gives."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from canonic.errors import ConversionError
from canonic.frontend.capture import quiet
from canonic.network.graph import Graph
from canonic.network.inputs import as_weights, prototype
from canonic.network.reference import reference

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}
"""Largest difference, in units of the largest output: rounding in another order, made larger by depth."""


def require_same(program: ExportedProgram, graph: Graph, example: Sequence[Tensor]) -> None:
    """Raise unless the graph computes what the program does, sample by sample.

    Raises:
        ConversionError: if an answer depends on the other samples of its batch, or the graph is wrong.
    """
    like = prototype(graph)
    inputs = [as_weights(distinct(x), like) for x in example]
    with torch.no_grad(), quiet():
        model = program.module()
        form = program.call_spec.in_spec
        wanted = answers(model, inputs, form)
        found = reference(graph, inputs)
        for index, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
            if _same(ours, theirs):
                continue
            reason = (
                "the model's answer to a sample depends on the other samples of its batch: keep them apart"
                if _mixes(model, inputs, form, theirs, index)
                else "this is an error in canonic: please report it with the model"
            )
            raise ConversionError(f"output {index} of the graph is not that of the model: {reason}")


def require_finite(program: ExportedProgram) -> None:
    """Raise unless all weights that the program uses are numbers; buffers may hold infinity, as masks do.

    Raises:
        ConversionError: if one does not; it names the tensor of the user's model.
    """
    used = {node.name for node in program.graph.nodes if node.op == "placeholder" and node.users}
    for spec in program.graph_signature.input_specs:
        name = str(spec.target)
        tensor = program.state_dict.get(name)
        if tensor is None or spec.arg.name not in used or not tensor.is_floating_point():
            continue
        wrong = tensor.isnan() if spec.kind == InputKind.BUFFER else ~tensor.isfinite()
        if not tensor.is_meta and bool(wrong.any()):
            raise ConversionError(
                f"{name} of the model holds NaN or infinity in {int(wrong.sum())} of {tensor.numel()} places: look for "
                "a diverged training, or a checkpoint that was damaged"
            )


def distinct(x: Tensor) -> Tensor:
    """Return two or three samples that differ, from a batch of one or more."""
    return torch.cat([x, x.roll(1, -1)]) if len(x) == 1 else x[:3]


def _same(ours: Tensor, theirs: Tensor) -> bool:
    if not bool(theirs.isfinite().all()):
        return True  # what overflows is named by the calibration
    return float((ours - theirs).abs().max()) <= TOLERANCE.get(ours.dtype, 1e-3) * float(theirs.abs().max())


def answers(model: torch.nn.Module, inputs: Sequence[Tensor], form: pytree.TreeSpec) -> list[Tensor]:
    """Return the outputs of a model, which may change its inputs in place: it gets copies.

    Args:
        model: that is called.
        inputs: in the order of the graph's.
        form: of the call's arguments: those by place, and those by name.
    """
    placed, named = pytree.tree_unflatten([x.clone() for x in inputs], form)
    return [x for x in pytree.tree_leaves(model(*placed, **named)) if isinstance(x, Tensor)]


def _mixes(model: torch.nn.Module, inputs: Sequence[Tensor], form: pytree.TreeSpec, whole: Tensor, index: int) -> bool:
    """Tell whether a sample gets another answer in a batch of its own."""
    for sample in range(len(whole)):
        alone = answers(model, [torch.stack([x[sample], x[sample]]) for x in inputs], form)
        if not _same(alone[index][0], whole[sample]):
            return True
    return False
