"""What a user wants of a conversion: what must hold, what is to be small, and what the chip can do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import Tensor

from canonic.checks import real, whole
from canonic.codes import MOST_LEVELS
from canonic.errors import ConversionError, nearest
from canonic.measure.energy import MODELS, Model

Minimise = Literal["steps", "events", "energy", "time"]
Loss = Callable[[Tensor, Tensor], Tensor | float]
"""The mean loss of outputs against labels, or against the outputs of the source where the data has none."""


@dataclass(frozen=True)
class Goal:
    """What a conversion must keep, on samples that it was not fitted to, and what it shall save.

    With nothing that must hold it is an agreement of 99 %, or 30 dB where the network is no classifier or there are too
    few samples to tell.

    Args:
        agreement: the share of answers that must be those of the source network, as 0.99.
        accuracy: the change of the accuracy that is allowed, as -0.005: at most half a point lost. Needs labels.
        snr: the least signal-to-noise ratio of each output against that of the source network, in dB.
        loss: ``loss(outputs, labels)``, as torch.nn.functional.cross_entropy; against the outputs of the source where
            the data has no labels.
        rise: how much larger than that of the source network the loss may be, in its own unit.
        minimise: total "steps", "events" a sample, "energy" a sample, or the "time" that a simulation takes here.
        energy: the model of that energy.
        levels: the largest digit that the chip can send: 1 is ternary, 8 wants events of 4 bits and a sign. With None
            digits are ternary if silent steps are allowed, and else as small as will do.
        unary: the chip sends an event of several units as so many events.
        silent: whether neurons can listen for some steps before they fire.
        output: the output that answers, where a network has several: that of the accuracy and the loss, and the only
            one that must agree; all rows of scores must if None.

    Raises:
        ConversionError: if one of them is no such number or word.

    >>> Goal(agreement=0.99, minimise="events")
    Goal(agreement=0.99, minimise='events')
    """

    agreement: float | None = None
    accuracy: float | None = None
    snr: float | None = None
    loss: Loss | None = None
    rise: float = 0.0
    minimise: Minimise = "steps"
    energy: Model = "horowitz45"
    levels: int | None = None
    unary: bool = False
    silent: bool = True
    output: str | int | None = None

    def __post_init__(self) -> None:
        _require("agreement", self.agreement, 0.0, 1.0, "0.99 is 99 % of the answers")
        _require("accuracy", self.accuracy, -1.0, 0.0, "-0.005 is at most half a point less than the source has")
        _require("snr", self.snr, 0.0, 150.0, "30 dB is an error of 3 %")
        _require("rise", self.rise, 0.0, float("inf"), "0.01 lets the loss grow by as much")
        if self.loss is not None and not callable(self.loss):
            raise ConversionError(f"loss must be a function of outputs and labels, got {self.loss!r}: cross_entropy")
        if self.rise and self.loss is None:
            raise ConversionError("rise is of a loss: give the loss, too")
        require_word("minimise", self.minimise, get_args(Minimise))
        require_word("energy", self.energy, MODELS)
        if self.levels is not None:
            whole("levels of the goal", self.levels, 1, MOST_LEVELS, "1 is ternary", ConversionError)
        for name in ("unary", "silent"):
            if not isinstance(getattr(self, name), bool):
                raise ConversionError(f"{name} must be True or False, got {getattr(self, name)!r}")

    @property
    def demands(self) -> bool:
        """Whether it says what must hold."""
        return any(wanted is not None for wanted in (self.agreement, self.accuracy, self.snr, self.loss))

    @property
    def labels(self) -> bool:
        """Whether labels are looked at."""
        return self.accuracy is not None or self.loss is not None

    def to_json(self) -> dict[str, Any]:
        """Return what is not as usual as plain data; a loss is told by its name."""
        return {name: getattr(v, "__name__", repr(v)) if callable(v) else v for name, v in self._given().items()}

    def __repr__(self) -> str:
        return f"Goal({', '.join(f'{name}={value!r}' for name, value in self._given().items())})"

    def _given(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value != getattr(Goal, name)}


def _require(name: str, value: float | None, low: float, high: float, remedy: str) -> None:
    if value is not None and not low <= real(name, value, remedy, ConversionError) <= high:
        raise ConversionError(f"{name} must lie in [{low:g}, {high:g}], got {value!r}: {remedy}")


def require_word(name: str, value: object, known: tuple[str, ...]) -> None:
    """Raise a ConversionError, with the nearest word, unless a value is one of the words that are known."""
    if value not in known:
        raise ConversionError(
            f"{name} of a goal must be one of {', '.join(known)}, got {value!r}: {nearest(str(value), known)}"
        )
