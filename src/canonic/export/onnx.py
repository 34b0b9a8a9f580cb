"""ONNX: all steps of a network as one graph, or one step with its state as inputs and outputs."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from canonic.errors import ExportError, first_line
from canonic.export.elsewhere import drawing, elsewhere, listed
from canonic.export.module import Stepping, Unrolled
from canonic.frontend.quiet import quiet
from canonic.network import SpikingNetwork
from canonic.network.inputs import prototype, taken_shape
from canonic.network.outputs import output_names
from canonic.network.ruled import rule_of
from canonic.network.storage import write_whole

BATCH = torch.export.Dim("batch")


def save_onnx(snn: SpikingNetwork, path: str | PathLike[str]) -> None:
    """Write all steps of a network as one graph: from its inputs, by name, to its outputs.

    It takes any number of samples; one, where a node works on each by itself, as around attention.

    Raises:
        ExportError: if ONNX cannot hold it; what decides by chance is named.
        StorageError: if the file cannot be written.
    """
    _require_sure(snn)
    given, free = _samples(snn), (_free(snn),) * len(snn.graph.inputs)
    model = _model(Unrolled(snn), given, free, list(snn.graph.inputs), list(output_names(snn.graph)))
    write_whole(Path(path), model.SerializeToString())


def save_onnx_step(snn: SpikingNetwork, path: str | PathLike[str]) -> None:
    """Write one step of a network: from ``step``, its inputs and its state to its outputs and its state.

    Step 1, 2, ... is a whole number of 64 bits. The parts of the state are called ``state 0``, ``state 1``, ...; what
    comes out is ``next 0``, ``next 1``, .... Before step 1 they are as ``Stepping.rest`` has them.

    Raises:
        ExportError: if ONNX, or one step, cannot hold it; the message names all nodes.
        StorageError: if the file cannot be written.
    """
    module = Stepping(snn)
    parts = range(len(module.parts))
    given = [torch.tensor(1), *_frames(snn), *module.rest(_count(snn))]
    inputs = ["step", *snn.graph.inputs, *(f"state {part}" for part in parts)]
    outputs = [*output_names(snn.graph), *(f"next {part}" for part in parts)]
    model = _model(module, given, ({}, *(_free(snn),) * (len(given) - 1)), inputs, outputs)
    write_whole(Path(path), model.SerializeToString())


def _require_sure(snn: SpikingNetwork) -> None:
    """Raise an ExportError that names all populations that draw, and what holds them."""
    if found := drawing(snn.plan):
        sure = all(getattr(rule_of(node), "expectation", False) for node in found)
        without = "as_network(..., seed=None) takes their expectation, or " if sure else ""
        told = f"ONNX cannot hold chance, and {listed(found, snn.plan)} draw"
        raise ExportError(f"{told}: {without}take {elsewhere(snn.plan)}")


def _count(snn: SpikingNetwork) -> int:
    """Return how many samples a graph is made with: of one it is a graph of one."""
    return 1 if any(node.alone for node in snn.graph.nodes) else 2


def _free(snn: SpikingNetwork) -> dict[int, Any]:
    """Return the axes that any size may have."""
    return {} if _count(snn) == 1 else {0: BATCH}


def _samples(snn: SpikingNetwork) -> list[Tensor]:
    """Return samples, all zero, for each input."""
    like = prototype(snn.graph)
    nodes = [snn.graph[name] for name in snn.graph.inputs]
    return [
        torch.zeros((_count(snn), *taken_shape(node)), dtype=node.arguments.get("dtype") or like.dtype)
        for node in nodes
    ]


def _frames(snn: SpikingNetwork) -> list[Tensor]:
    """Return samples, or their first frames."""
    return [x[:, 0] if snn.plan.follows else x for x in _samples(snn)]


def _model(
    module: nn.Module, given: Sequence[Tensor], free: Sequence[Any], inputs: list[str], outputs: list[str]
) -> Any:
    """Return the model that torch makes of a module, checked.

    Args:
        module: with what it takes in a tuple.
        given: an example of that.
        free: the axes of each that any size may have.
        inputs: the names of what it takes.
        outputs: the names of what it returns.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError:
        raise ExportError(
            "ONNX needs the packages onnx and onnxscript, which are not installed: pip install 'canonic[onnx]'"
        ) from None
    try:
        with quiet():
            program = torch.export.export(
                module.eval(),
                tuple(given),
                dynamic_shapes=(tuple(free),),
                prefer_deferred_runtime_asserts_over_guards=True,
            )
            made = torch.onnx.export(program, input_names=inputs, output_names=outputs, verbose=False)
    except Exception as error:
        raise ExportError(f"ONNX cannot hold the network: {_reason(error)}; take other layers") from error
    model = cast("torch.onnx.ONNXProgram", made).model_proto
    onnx.checker.check_model(model)
    return model


def _reason(error: BaseException) -> str:
    """Return what the first of a chain of errors says."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)  # type: ignore[arg-type]
