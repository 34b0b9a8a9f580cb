"""The last word on a graph: on a few samples it must give what the model gives."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from canonic.errors import ConversionError
from canonic.frontend.capture import Captured
from canonic.frontend.eager import agree, answers
from canonic.network.graph import Graph
from canonic.network.inputs import as_weights, prototype
from canonic.network.reference import reference


def require_same(capture: Captured, graph: Graph) -> None:
    """Raise unless the graph computes what the model does, sample by sample.

    Raises:
        ConversionError: if the model cannot be run, if it computes otherwise while it is exported, if an answer depends
            on the other samples of its batch, or if the graph is wrong.
    """
    if capture.failure:
        raise capture.failure
    like = prototype(graph)
    with torch.no_grad():
        found = reference(graph, [as_weights(x, like) for x in capture.inputs])
    if _same(found, capture.answers):
        return
    wrong = [index for index, pair in enumerate(zip(found, capture.answers, strict=False)) if not agree(*pair)]
    raise ConversionError(
        f"output {wrong[0] if wrong else len(found)} of the graph is not that of the model: {_reason(capture)}"
    )


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


def _reason(capture: Captured) -> str:
    if not _same(answers(capture.program, capture.inputs, capture.form), capture.answers):
        return (
            "it computes otherwise while it is exported, or each time that it is run; let forward do the same whatever "
            "torch.compiler.is_exporting() and is_compiling() say, and keep no count of its calls"
        )
    if _mixes(capture):
        return "the model's answer to a sample depends on the other samples of its batch: keep them apart"
    return "this is an error in canonic: please report it with the model"


def _same(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> bool:
    return len(ours) == len(theirs) and all(map(agree, ours, theirs))


def _mixes(capture: Captured) -> bool:
    """Tell whether a sample gets another answer in a batch of its own."""
    for sample in range(len(capture.inputs[0])):
        alone = [torch.stack([x[sample], x[sample]]) for x in capture.inputs]
        found = answers(capture.model, alone, capture.form)
        if not _same([x[0] for x in found], [x[sample] for x in capture.answers]):
            return True
    return False
