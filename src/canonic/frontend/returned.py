"""What a model returns: the outputs of its program, and the form that they have there."""

from typing import cast

from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.utils import _pytree as pytree

from canonic.errors import ConversionError
from canonic.network.outputs import named_leaves, without


def form_of(program: ExportedProgram) -> str:
    """Return the form of what a model returns, a tree spec in JSON; None is kept where it stands.

    Raises:
        ConversionError: if it holds a class that cannot be written to a file.
    """
    nothing = {place for place, value in enumerate(_returned(program)) if value is None}
    try:
        return without(pytree.treespec_dumps(program.call_spec.out_spec), nothing)
    except NotImplementedError as error:
        raise ConversionError(
            f"the form of the model's output cannot be kept ({error}): return a tuple or dict"
        ) from None


def outputs_of(program: ExportedProgram) -> dict[str, object]:
    """Return the nodes that leave a program, by the identifiers of outputs; what is no node is a constant.

    Raises:
        ConversionError: if the model changes a buffer, or as ``form_of``.
    """
    for spec in program.graph_signature.output_specs:
        if spec.kind == OutputKind.BUFFER_MUTATION:
            raise ConversionError(
                f"the model changes its buffer {spec.target} in forward: a spiking network has no such state; "
                "compute it outside, or export it after model.eval() if it is a statistic of batch norm"
            )
    values = zip(named_leaves(form_of(program)), _returned(program), strict=True)
    return {name: value for (name, _), value in values if value is not None}


def _returned(program: ExportedProgram) -> list[object]:
    output = next(node for node in program.graph.nodes if node.op == "output")
    specs, values = program.graph_signature.output_specs, cast("tuple[object, ...]", output.args[0])
    return [value for spec, value in zip(specs, values, strict=True) if spec.kind == OutputKind.USER_OUTPUT]
