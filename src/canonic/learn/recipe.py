"""How a network is trained, as plain data: epochs, optimiser, schedule of the learning rate, seed."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, ClassVar, get_args

import torch
from torch import nn

from canonic.checks import real, whole
from canonic.errors import CanonicError, TrainingError, either

KINDS = ("adam", "sgd")


@dataclass(frozen=True)
class Optimiser:
    """What moves the parameters.

    Args:
        kind: "adam" (Kingma and Ba, 2015) or "sgd".
        lr: learning rate, positive.
        weight_decay: times a parameter, added to its gradient.
        momentum: of "sgd", in [0, 1).
        amsgrad: of "adam": no second moment falls (Reddi et al., arXiv 1904.09237).
        groups: (pattern, factor): parameters whose name matches have the learning rate times the factor; the first
            that matches counts.

    >>> Optimiser("adam", lr=0.01, groups=(("*.leak", 5.0),))
    Optimiser(kind='adam', lr=0.01, weight_decay=0.0, momentum=0.0, groups=(('*.leak', 5.0),), amsgrad=False)
    """

    kind: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.0
    groups: tuple[tuple[str, float], ...] = ()
    amsgrad: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise CanonicError(f"there is no optimiser {self.kind!r}: take {either(KINDS)}")
        object.__setattr__(self, "lr", _positive("lr", self.lr, "take 0.001"))
        for name in ("weight_decay", "momentum"):
            value = real(name, getattr(self, name), "take 0")
            if not 0 <= value < (1 if name == "momentum" else math.inf):
                raise CanonicError(f"{name} must be at least 0 and {_BELOW[name]}, got {value}: take 0")
        if self.momentum and self.kind != "sgd":
            raise CanonicError(f"momentum {self.momentum} is of sgd, {self.kind} has its own: leave it out")
        if self.amsgrad and self.kind != "adam":
            raise CanonicError(f"amsgrad is of adam, {self.kind} has no second moment: leave it out")
        for pattern, factor in self.groups:
            _positive(f"the factor of {pattern!r}", factor, "take 1, or leave the group out")

    def build(self, net: nn.Module) -> torch.optim.Optimizer:
        """Return torch's optimiser of all parameters that need a gradient; each group keeps its ``factor``.

        Raises:
            TrainingError: if there is none, or a group has none.
        """
        parts: dict[float, list[nn.Parameter]] = {}
        names = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
        if not names:
            raise TrainingError("the network has no parameter that needs a gradient: there is nothing to train")
        for pattern, _ in self.groups:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise TrainingError(
                    f"the recipe has a learning rate for parameters {pattern!r}, the network has none of that name "
                    f"({', '.join(names[:6])}{' ...' if len(names) > 6 else ''}): it is for another network"
                )
        for name in names:
            parts.setdefault(self.factor(name), []).append(net.get_parameter(name))
        groups = [{"params": own, "lr": self.lr * factor, "factor": factor} for factor, own in parts.items()]
        if self.kind == "sgd":
            return torch.optim.SGD(groups, self.lr, momentum=self.momentum, weight_decay=self.weight_decay)
        return torch.optim.Adam(groups, self.lr, weight_decay=self.weight_decay, amsgrad=self.amsgrad)

    def factor(self, name: str) -> float:
        """Return by what the learning rate of a parameter is multiplied."""
        return next((factor for pattern, factor in self.groups if fnmatchcase(name, pattern)), 1.0)


_BELOW = {"weight_decay": "finite", "momentum": "below 1"}


@dataclass(frozen=True)
class Constant:
    """The learning rate stays. ``factor`` of every such class says by what it is multiplied, when so many epochs of all
    are done.
    """

    kind: ClassVar[str] = "constant"

    def factor(self, done: float, epochs: int) -> float:  # noqa: ARG002 - as of all
        """Return 1."""
        return 1.0


@dataclass(frozen=True)
class Cosine:
    """It falls to 0 with every update, along half a cosine (Loshchilov and Hutter, 2017, without restarts).

    >>> [round(Cosine().factor(done, 4), 3) for done in (0.0, 1.0, 2.0, 3.9)]
    [1.0, 0.854, 0.5, 0.002]
    """

    kind: ClassVar[str] = "cosine"

    def factor(self, done: float, epochs: int) -> float:
        """Return a number in (0, 1]."""
        return (1 + math.cos(math.pi * done / epochs)) / 2


@dataclass(frozen=True)
class Steps:
    """It is multiplied at the beginning of some epochs.

    Args:
        at: epochs that are done then.
        by: the factor of each, positive.

    >>> [Steps((1, 3), 0.5).factor(done, 4) for done in (0.9, 1.0, 3.5)]
    [1.0, 0.5, 0.25]
    """

    at: tuple[int, ...]
    by: float = 0.1
    kind: ClassVar[str] = "steps"

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", tuple(whole("at", epoch, 1, 10**9, "count epochs from 1") for epoch in self.at))
        _positive("by", self.by, "take 0.1")

    def factor(self, done: float, epochs: int) -> float:  # noqa: ARG002 - as of all
        """Return a power of ``by``."""
        return float(self.by ** sum(done >= epoch for epoch in self.at))


@dataclass(frozen=True)
class Exponential:
    """It is multiplied by exp(-rate) after every epoch; the rate is positive.

    >>> Exponential(0.04).factor(2.7, 10) == math.exp(-0.08)
    True
    """

    rate: float
    kind: ClassVar[str] = "exponential"

    def __post_init__(self) -> None:
        _positive("rate", self.rate, "take 0.04")

    def factor(self, done: float, epochs: int) -> float:  # noqa: ARG002 - as of all
        """Return a number in (0, 1]."""
        return math.exp(-self.rate * math.floor(done))


LearningRate = Constant | Cosine | Steps | Exponential
SCHEDULES: Mapping[str, Any] = {one.kind: one for one in get_args(LearningRate)}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Args:
        epochs: how often all samples are seen, at least 1.
        batch: samples of an update, at most; all updates of an epoch have nearly as many.
        seed: of the order of the samples and of all that is drawn.
        optimiser: what moves the parameters.
        schedule: of its learning rate.
        clip: largest norm of all gradients together; none if None.
        autocast: "bf16" computes linear maps and what follows them in bfloat16, parameters stay in fp32; None all in
            fp32.
        patience: a training ends after so many epochs that were no better on the validation samples; None: after all.

    >>> recipe = Recipe(epochs=8, batch=128, optimiser=Optimiser("sgd", lr=0.1, momentum=0.9))
    >>> Recipe.from_json(recipe.to_json()) == recipe
    True
    """

    epochs: int
    batch: int
    seed: int = 0
    optimiser: Optimiser = field(default_factory=Optimiser)
    schedule: LearningRate = field(default_factory=Cosine)
    clip: float | None = None
    autocast: str | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        for name, kind, remedy in (
            ("optimiser", Optimiser, "Optimiser('adam', lr=1e-3)"),
            ("schedule", LearningRate, "Cosine(), Constant(), Steps or Exponential"),
        ):
            if not isinstance(value := getattr(self, name), kind):
                raise CanonicError(f"{name} cannot be {value!r}: take {remedy}")
        if self.patience is not None:
            whole("patience", self.patience, 1, 10**6, "take 6, or None for all epochs")
        for name, low, high, remedy in (
            ("epochs", 1, 10**6, "take 8"),
            ("batch", 1, 10**9, "take 128"),
            ("seed", 0, 2**63 - 1, "take 0"),
        ):
            object.__setattr__(self, name, whole(name, getattr(self, name), low, high, remedy))
        if self.clip is not None:
            _positive("clip", self.clip, "leave it out to clip nothing")
        if self.autocast not in ("bf16", None):
            raise CanonicError(f"autocast must be 'bf16' or None, got {self.autocast!r}")

    def goes_on_from(self, shorter: "Recipe") -> bool:
        """Say whether a training as another recipe says is the beginning of one as this says: as many epochs or fewer,
        and a learning rate that does not depend on how many there will be.

        >>> recipe = Recipe(epochs=8, batch=128, schedule=Exponential(0.04))
        >>> longer = replace(recipe, epochs=16)
        >>> longer.goes_on_from(recipe), recipe.goes_on_from(longer)
        (True, False)
        """
        same = replace(shorter, epochs=self.epochs) == self and shorter.epochs <= self.epochs
        return shorter == self or (same and not isinstance(self.schedule, Cosine))

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain data."""
        described = {**asdict(self), "schedule": {"kind": self.schedule.kind, **asdict(self.schedule)}}
        return dict(json.loads(json.dumps(described)))

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Recipe":
        """Return the recipe that plain data stand for.

        Raises:
            CanonicError: if they stand for none.
        """
        try:
            optimiser, schedule = dict(data["optimiser"]), dict(data["schedule"])
            groups = tuple((str(pattern), float(factor)) for pattern, factor in optimiser.pop("groups"))
            made = SCHEDULES[schedule.pop("kind")](**{k: _tupled(v) for k, v in schedule.items()})
            return Recipe(**{**data, "optimiser": Optimiser(**optimiser, groups=groups), "schedule": made})
        except (KeyError, TypeError, ValueError) as error:
            raise CanonicError(f"this is no recipe ({type(error).__name__}: {error}): {data}") from None


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _positive(name: str, value: object, remedy: str) -> float:
    number = real(name, value, remedy)
    if not 0 < number < math.inf:
        raise CanonicError(f"{name} must be positive and finite, got {value!r}: {remedy}")
    return number
