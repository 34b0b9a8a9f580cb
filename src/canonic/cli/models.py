"""From what the user types to a model: an exported program, or a function and its weights."""

import importlib
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from canonic.cli.weights import load_weights
from canonic.cluster import workers
from canonic.errors import ConversionError
from canonic.frontend import open_program


def open_model(name: str, weights: Path | None) -> nn.Module | ExportedProgram:
    """Return a model.

    Args:
        name: ``file.pt2``, or ``package.module:function`` that returns an nn.Module.
        weights: of the latter: a state dict, or a checkpoint that holds one, as .safetensors or .pt.

    Raises:
        StorageError: if a file is missing, damaged, could run code, or does not fit.
        ConversionError: if the function cannot be imported or returns no module.
    """
    if name.endswith(".pt2"):
        if weights is not None:
            raise ConversionError(f"{name} holds its own weights: leave out --weights {weights}")
        return open_program(Path(name))
    model = _made(name)
    if weights is None and workers().first:
        print(f"canonic: no --weights: the network is as {name} makes it", file=sys.stderr)
    if weights is not None:
        load_weights(model, weights)
    return model.eval()


def _made(name: str) -> nn.Module:
    module_name, _, function = name.partition(":")
    module_name = module_name.removesuffix(".py")
    if not (module_name and function):
        weights = f", with --weights {name} if these are its weights" if Path(name).is_file() else ""
        raise ConversionError(
            f"{name!r} names no model: give file.pt2, or package.module:function that returns an nn.Module{weights}"
        )
    if "" not in sys.path:
        sys.path.insert(0, "")  # as python -m does: modules in the working directory
    try:
        make = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise ConversionError(
            f"cannot import {name}: {error}; run canonic where `import {module_name}` works"
        ) from error
    try:
        model = make if isinstance(make, nn.Module) else make()
    except Exception as error:  # the user's own code may raise anything
        raise ConversionError(
            f"{name}() raised {type(error).__name__}: {error}; it must work without arguments"
        ) from error
    if not isinstance(model, nn.Module):
        raise ConversionError(f"{name}() returned {type(model).__name__}, not an nn.Module: let it return the network")
    return model


def example_of(model: nn.Module | ExportedProgram, shapes: list[tuple[int, ...]]) -> tuple[Tensor, ...]:
    """Return a batch to capture a model with: zeros of these shapes, one for each input.

    An exported program names its own shapes and types.

    Raises:
        ConversionError: if the shape is not known.
    """
    if isinstance(model, ExportedProgram):
        inputs = set(model.graph_signature.user_inputs)
        given = [node.meta["val"] for node in model.graph.nodes if node.name in inputs]
        return tuple(torch.zeros(2, *(int(n) for n in x.shape[1:]), dtype=x.dtype) for x in given)
    if not shapes:
        raise ConversionError("the shape of one sample is not known: give it, for example --shape 3,32,32, or --data")
    return tuple(torch.zeros(2, *shape) for shape in shapes)
