"""What a model takes: a batch of some data as the arguments of its forward, by place or by name."""

import inspect
from collections.abc import Mapping

from torch import nn

from canonic.errors import DataError
from canonic.frontend.capture import Example, as_inputs
from canonic.frontend.models import Model
from canonic.network.batch import LABELS, by_name, described, named_in, parted
from canonic.words import counted


def arguments(model: Model, batch: object, where: str) -> Example:
    """Return the inputs in a batch, as they were given: a dict if they are passed by name, else a tuple.

    Of a dict the model takes what its forward names, in the order of its signature; of a tuple as many leading items
    as it cannot do without. Labels, which some models take to compute a loss, are left out.

    Args:
        model: whose inputs are meant.
        batch: as for ``convert``.
        where: whose batch it is, for errors.

    Raises:
        DataError: if the batch does not hold what the model takes.
        ConversionError: if an input is not a real tensor with a batch axis.

    >>> import torch
    >>> arguments(nn.Linear(4, 2), {"input": torch.zeros(2, 4), "labels": torch.zeros(2)}, "the batch").keys()
    dict_keys(['input'])
    """
    found = _arguments(model, batch, where)
    tensors = as_inputs(found)
    return dict(zip(found, tensors, strict=True)) if isinstance(found, Mapping) else tensors


def _arguments(model: Model, batch: object, where: str) -> tuple[object, ...] | dict[str, object]:
    if not isinstance(model, nn.Module):
        return parted(batch, model.graph_signature.user_inputs, where).inputs
    parameters = list(inspect.signature(model.forward).parameters.values())
    if (named := named_in(batch)) is not None:
        return _keywords(parameters, named, where)
    placed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p.name for p in placed if p.default is p.empty]
    inputs = parted(batch, required or ["input"], where).inputs
    if len(inputs) < len(required):
        names = ", ".join(required)
        raise DataError(f"{where} holds {counted(len(inputs), 'input')}, the model takes {len(required)}: {names}")
    return inputs


def _keywords(parameters: list[inspect.Parameter], given: Mapping[str, object], where: str) -> dict[str, object]:
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    required = [p.name for p in named if p.default is p.empty]
    by_name(given, required, where)  # raises if one is missing
    optional = [p.name for p in named if p.name not in (*required, *LABELS) and given.get(p.name) is not None]
    wanted = {*required, *optional}
    if wanted:
        return {p.name: given[p.name] for p in named if p.name in wanted}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return {name: value for name, value in given.items() if name not in LABELS}
    takes = f"the model takes {', '.join(p.name for p in named)}" if named else "the model's forward names no inputs"
    raise DataError(f"{where} is {described(given)}, but {takes}: pass tuples in the order of its forward")
