"""The border for models: what can be captured at all, and in which mode it was given."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.nn.parameter import is_lazy

from canonic.errors import ConversionError

Model = nn.Module | ExportedProgram


def known_model(model: object) -> Model:
    """Return what was given as a model: a Python module with numbers in floating point, or an exported program.

    Raises:
        ConversionError: it names the type, and says what to give instead.
    """
    if isinstance(model, ExportedProgram):
        return model
    if not isinstance(model, nn.Module):
        raise ConversionError(f"the model must be an nn.Module or an ExportedProgram, got {_described(model)}")
    for name, module in model.named_modules():
        _require_python(name, module)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise ConversionError(f"{name} of the model has no shape yet: run the model once on a batch, then load it")
        if tensor.is_quantized:
            raise ConversionError(f"the model is quantised ({name} is {tensor.dtype}): convert it with float weights")
    return model


def in_training(model: nn.Module) -> list[str]:
    """Return the names of the modules in training mode whose parents are not; "" is the model itself.

    Those in which nothing asks for the mode are left out: they compute the same in both.

    >>> model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Sequential(nn.Dropout())).eval()
    >>> in_training(model), in_training(model.train())
    ([], [''])
    >>> _ = model.eval()[2].train()
    >>> in_training(model), in_training(nn.Linear(2, 2))
    (['2'], [])
    """
    return list(_topmost("", model))


def _topmost(name: str, module: nn.Module) -> Iterator[str]:
    if module.training:
        if any(_asks_for_the_mode(type(part)) for part in module.modules() if part.training):
            yield name
        return
    for child, part in module.named_children():
        yield from _topmost(f"{name}.{child}".lstrip("."), part)


def _asks_for_the_mode(kind: type[nn.Module]) -> bool:
    """Whether code of a class, or of one that it is made from, reads ``training``."""
    own = kind.__mro__[: kind.__mro__.index(nn.Module)]
    codes = (getattr(member, "__code__", None) for each in own for member in vars(each).values())
    return any("training" in code.co_names for code in codes if code is not None)


def _require_python(name: str, module: nn.Module) -> None:
    kind = f"{type(module).__module__}.{type(module).__name__}"
    place = f"its {name} is" if name else "it is"
    if isinstance(module, torch.jit.ScriptModule):
        raise ConversionError(
            f"the model is TorchScript ({place} a {kind}), which torch.export cannot read: give the Python module that "
            "it was made from, with its weights"
        )
    if any(map(_quantised, type(module).__mro__)):
        raise ConversionError(
            f"the model is quantised ({name or 'it'} is a {kind}): convert the network that it was made from"
        )


def _quantised(kind: type) -> bool:
    """Tell whether a class is a layer that torch has quantised: by where it is from, as any class may have any name."""
    module = f"{kind.__module__}."
    quantised = module.startswith(("torch.ao.nn.quantized.", "torch.ao.nn.intrinsic.quantized."))
    return quantised and ".reference." not in module and kind.__name__ not in ("FloatFunctional", "FXFloatFunctional")


def _described(model: object) -> str:
    """Return the type of what was given instead of a model, and what to do."""
    match model:
        case type() if issubclass(model, nn.Module):
            return f"the class {model.__name__}: make a model of it, {model.__name__}(...)"
        case str():
            return f"the text {model!r}: give the model itself; a .pt2 file is read by torch.export.load"
        case dict():
            return "a dict: if it is a state dict, load it into the model, model.load_state_dict(...)"
        case torch.jit.ScriptFunction():
            return "a TorchScript function: give the Python module that it was made from"
    if callable(model):
        named = getattr(model, "__name__", type(model).__name__)
        return f"the function {named}: call it in the forward of an nn.Module"
    return f"{type(model).__module__}.{type(model).__name__}: give the network as an nn.Module"
