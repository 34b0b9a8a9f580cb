"""What becomes of the architectures of timm: built without weights, and explained one after the other."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from canonic.conversion import Explanation, explain
from canonic.errors import ConversionError, first_line
from canonic.frontend import quiet

if TYPE_CHECKING:
    from torch import nn

SMALL = 96
"""Height and width of the pictures for architectures that do not fix them: enough for five halvings."""

OPERATORS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
"""Compiled operators that torchvision expects to exist when it is imported."""


@dataclass(frozen=True)
class Outcome:
    """What became of one architecture.

    Attributes:
        name: of the architecture in timm.
        verdict: "refused" by an operator; "failed" where it cannot be built or captured, or nothing of it would spike.
        reason: why it is not converted: the first refused operator, or the first line of the error.
        size: shape of one input.
        populations: spiking populations, if it converts.
        depth: populations on the longest path, if it converts.
        seconds: that it took.
    """

    name: str
    verdict: Literal["converts", "refused", "failed"]
    reason: str
    size: tuple[int, ...]
    populations: int
    depth: int
    seconds: float


def model_names(pattern: str, limit: int | None) -> list[str]:
    """Return the architectures of timm whose names match a pattern such as ``resnet*``.

    Args:
        pattern: of a shell; matches all names if empty.
        limit: at most so many, evenly spaced.

    Raises:
        ConversionError: if timm is missing, or knows no such name.
    """
    names: list[str] = sorted(_timm().list_models(pattern))
    if not names:
        raise ConversionError(f"timm has no architecture {pattern!r}: give a pattern such as 'resnet*'")
    count = len(names) if limit is None else min(limit, len(names))
    return [names[index * len(names) // count] for index in range(count)]


def survey(names: Sequence[str]) -> Iterator[Outcome]:
    """Yield what becomes of each architecture."""
    for name in names:
        yield _outcome(name)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return how many there are of each verdict, and the reasons for refusals with the number of each."""
    counts: Counter[str] = Counter(outcome.verdict for outcome in outcomes)
    total = ", ".join(f"{counts[verdict]} {said}" for verdict, said in _SAID if counts[verdict])
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.verdict == "refused").most_common()
    return "\n".join((f"{len(outcomes)} architectures: {total}", *(f"{count:5}  {why}" for why, count in reasons)))


_SAID = (("converts", "convert"), ("refused", "are refused"), ("failed", "cannot be built or captured"))


def _outcome(name: str) -> Outcome:
    start = time.perf_counter()
    size: tuple[int, ...] = ()
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = _timm().create_model(name, pretrained=False).eval()
            size, explanation = _explained(model)
    except Exception as error:  # noqa: BLE001 - the code of an architecture may raise anything
        reason = first_line(error)
        said = reason if isinstance(error, ConversionError) else f"{type(error).__name__}: {reason}"
        return Outcome(name, "failed", said, size, 0, 0, time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if explanation.convertible:
        return Outcome(name, "converts", "", size, explanation.populations, explanation.depth, seconds)
    return Outcome(name, "refused", _first_reason(explanation), size, 0, 0, seconds)


def _explained(model: "nn.Module") -> tuple[tuple[int, ...], Explanation]:
    """Return the shape of one input, of a small picture where the architecture takes one, and the explanation."""
    own, small = input_sizes(model)
    try:
        return small, explain(model, _example(small))
    except Exception:
        if small == own:
            raise
        return own, explain(model, _example(own))


def input_sizes(model: "nn.Module") -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of one input as timm states it, and that of a small one where it is not fixed."""
    config: dict[str, Any] = getattr(model, "pretrained_cfg", None) or {}
    channels, *sides = config.get("input_size", (3, 224, 224))
    largest = max(sides) if config.get("fixed_input_size", False) else SMALL
    return (channels, *sides), (channels, *(min(side, largest) for side in sides))


def _example(size: tuple[int, ...]) -> torch.Tensor:
    # Not zeros: the graph is compared with the model on it, and zeros would hide most differences.
    return torch.randn(2, *size)


def _first_reason(explanation: Explanation) -> str:
    first = explanation.refused[0]
    return f"{first.origin.operator.removeprefix('aten.').removesuffix('.default')}: {first.reason}"


def _timm() -> Any:
    declare_operators()
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise ConversionError(f"timm cannot be imported, as {error.name} is missing: pip install timm") from None
        raise ConversionError("timm, which has the architectures, is missing: pip install timm") from None
    return timm


def declare_operators() -> None:
    """Make torchvision importable beside a build of torch that its compiled operators do not fit.

    timm imports torchvision for data sets and transforms, which are not used here. Where the operators cannot be
    loaded, as beside the CPU build of torch when torchvision comes from the registry, the import ends with "operator
    torchvision::nms does not exist", as torchvision describes the result of operators that are not there. Declaring
    them is enough for that; they still cannot be called.
    """
    try:
        import torchvision  # noqa: F401
    except ModuleNotFoundError:
        return  # timm says what is missing
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name, schema in OPERATORS.items():
            torch.library.define(name, schema)
