"""How to convert: plain data that goes to JSON and back."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from canonic.checks import real, whole
from canonic.codes import Weighted, code_of, from_json
from canonic.errors import ConversionError, nearest
from canonic.network.graph import Bias
from canonic.network.redundancy import OVERLOAD_LIMIT

ThresholdRule = Literal["mse", "max", "percentile", "balance", "ceiling"]
InputCode = Literal["direct", "css"] | Weighted | str
Silent = int | Literal["auto"]
"""Silent steps k, or "auto": the smallest k whose overload rate on the calibration data is under a limit."""
Levels = int | Literal["auto"]
"""Levels L of a digit, or "auto": the smallest L of that kind, a power of two."""


@dataclass(frozen=True)
class Override:
    """What is different for some populations; what is None stays as it is for the others.

    Args:
        threshold: the rule that chooses theta.
        percentile: of the activations, for the rule of that name.
        silent: silent steps k of this population, or "auto".
        phi: fraction of the threshold at which it fires.
        levels: largest digit L of this population, or "auto".
        code: of this population, or its name with its parameters, such as "burst:8"; then silent, phi and levels are
            for a code of CSS only.
    """

    threshold: ThresholdRule | None = None
    percentile: float | None = None
    silent: Silent | None = None
    phi: float | None = None
    levels: Levels | None = None
    code: Weighted | str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the override as plain data."""
        return {**asdict(self), "code": self.code.to_json() if isinstance(self.code, Weighted) else self.code}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Override":
        """Return the override that plain data stand for."""
        _require_known(Override, data)
        return Override(**{**data, "code": _code_from(data.get("code"))})


@dataclass(frozen=True)
class Settings:
    """How to convert a network.

    Args:
        threshold: the rule that chooses theta for each channel: "mse" (least squared error), "max" (nothing is
            clipped), "percentile", "balance" (local threshold balancing: what is clipped raises theta), or "ceiling"
            (where the network itself clips, as ``nn.Hardtanh(0, 1)``: what was trained for a code; else as "max").
        percentile: of the positive activations of a channel, in (0, 100], for the rule of that name.
        input: "direct" injects the analog input with the gains of the code, in CSS at the first step; "css" codes it
            in ternary spikes, as any other code does in its events, by name too: "latency:8" is a single spike each.
        bias: "first" injects each bias with the first digit; "spread" a share of it with every digit.
        correct: start each channel at the membrane potential that removes its mean error on the calibration data.
        overrides: for populations by exact name or by a regular expression that matches the whole name; an exact
            name goes before an expression, an earlier expression before a later one.
        silent: "auto" takes for every population the smallest k whose overload rate is under the limit, and whose
            squared error is at most twice that of k = T; None leaves them to the code.
        levels: "auto" takes for every population the smallest L, a power of two, by the same measure, at the silent
            steps of the code; None leaves them to the code.
        overload_limit: the largest share of firing steps, above that of k = T, at which neurons may be overloaded.

    >>> Settings(silent="auto")
    Settings(silent='auto')
    """

    threshold: ThresholdRule = "mse"
    percentile: float = 99.9
    input: InputCode = "direct"
    bias: Bias = "first"
    correct: bool = True
    overrides: Mapping[str, Override] = field(default_factory=dict, hash=False)
    silent: Silent | None = None
    overload_limit: float = OVERLOAD_LIMIT
    levels: Levels | None = None

    def __post_init__(self) -> None:
        _require_choice("threshold", self.threshold, get_args(ThresholdRule))
        if self.input not in ("direct", "css"):
            object.__setattr__(self, "input", _input_code(self.input))
        _require_choice("bias", self.bias, get_args(Bias))
        _require_percentile("settings", self.percentile)
        _require_redundancy("settings", self.silent, self.levels)
        if not isinstance(self.correct, bool):
            raise ConversionError(f"correct must be True or False, got {self.correct!r}")
        if not 0 <= real("overload_limit", self.overload_limit, "1e-3 is usual", ConversionError) <= 1:
            raise ConversionError(
                f"overload_limit must lie in [0, 1], got {self.overload_limit}: 1e-3 lets neurons be overloaded at "
                "one firing step in 1000"
            )
        if not isinstance(self.overrides, Mapping):
            raise ConversionError(f"overrides must be a dict of Override by name, got {type(self.overrides).__name__}")
        for name, override in self.overrides.items():
            _require_override(name, override)

    def __repr__(self) -> str:
        usual = {f.name: f.default if f.default is not MISSING else {} for f in fields(self)}
        given = {name: getattr(self, name) for name in usual}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in given.items() if value != usual[name])})"

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        overrides = {name: override.to_json() for name, override in self.overrides.items()}
        coded = self.input.to_json() if isinstance(self.input, Weighted) else self.input
        return {**asdict(self), "input": coded, "overrides": overrides}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Settings":
        """Return the settings that plain data stand for."""
        _require_known(Settings, data)
        overrides = {name: Override.from_json(given) for name, given in data.get("overrides", {}).items()}
        return Settings(**{**data, "input": _code_from(data.get("input", "direct")), "overrides": overrides})


def _require_known(kind: type[Override] | type[Settings], data: Mapping[str, Any]) -> None:
    known = [f.name for f in fields(kind)]
    for name in data:
        if name not in known:
            raise ConversionError(f"{kind.__name__} has no {name!r}: {nearest(name, known)}")


def _input_code(given: Weighted | str) -> Weighted:
    try:
        return code_of(given)
    except ValueError as error:
        raise ConversionError(f"input must be direct, css or a code: {error}") from None


def _code_from(data: Any) -> Any:
    return from_json(data) if isinstance(data, Mapping) else data


def require_kinds(code: object, settings: object = None) -> None:
    """Raise a ConversionError unless a code and settings are what their names say."""
    if not isinstance(code, Weighted):
        raise ConversionError(f"code must be a code or its name, got {_shown(code)}: CSS(steps=8, silent=1), 'rate:32'")
    if not isinstance(settings, Settings | None):
        raise ConversionError(
            f"settings must be a Settings, got {_shown(settings)}: Settings(threshold='mse'), or from plain data "
            "Settings.from_json(...)"
        )


def _shown(value: object) -> str:
    return f"{type(value).__name__} {repr(value)[:60]}"


def resolve(settings: Settings, names: Iterable[str]) -> dict[str, Override]:
    """Return what holds for each population, with nothing left None but silent and phi where the code decides.

    Raises:
        ConversionError: if an override is not a regular expression or matches no population.
    """
    names = list(names)
    common = Override(settings.threshold, settings.percentile, settings.silent, levels=settings.levels)
    patterns = {key: _compile(key) for key in settings.overrides if key not in names}
    for key, pattern in patterns.items():
        if not any(pattern.fullmatch(name) for name in names):
            raise ConversionError(f"the override {key!r} matches no population: {nearest(key, names)}")
    matching = {
        name: name if name in settings.overrides else next((k for k, p in patterns.items() if p.fullmatch(name)), None)
        for name in names
    }
    return {name: common if key is None else _merge(common, settings.overrides[key]) for name, key in matching.items()}


def _merge(common: Override, given: Override) -> Override:
    chosen = {f.name: getattr(given, f.name) for f in fields(given) if getattr(given, f.name) is not None}
    if isinstance(given.code, str):
        chosen["code"] = code_of(given.code)
    return replace(common, **chosen)


def _compile(key: str) -> re.Pattern[str]:
    try:
        return re.compile(key)
    except re.error as error:
        raise ConversionError(f"the override {key!r} is no name and no regular expression: {error}") from None


def _require_override(name: str, override: object) -> None:
    if not isinstance(override, Override):
        given = ", ".join(f"{k}={v!r}" for k, v in override.items()) if isinstance(override, Mapping) else "..."
        raise ConversionError(
            f"the override of {name} must be an Override, got {type(override).__name__}: Override({given})"
        )
    if override.threshold is not None:
        _require_choice(f"threshold of {name}", override.threshold, get_args(ThresholdRule))
    if override.percentile is not None:
        _require_percentile(name, override.percentile)
    _require_redundancy(name, override.silent, override.levels)
    if not isinstance(override.code, Weighted | str | None):
        raise ConversionError(f"code of {name} must be a code or its name, got {_shown(override.code)}: 'burst:8'")
    if override.phi is not None:
        real(f"phi of {name}", override.phi, "0.5 rounds to nearest, 2/3 saves spikes", ConversionError)


def _require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConversionError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def _require_redundancy(where: str, silent: Silent | None, levels: Levels | None) -> None:
    for name, value, least, most, remedy in (
        ("silent", silent, 0, 24, "1 is enough for most networks"),
        ("levels", levels, 1, 127, "1 is the ternary code"),
    ):
        if isinstance(value, str) and value != "auto":
            raise ConversionError(f'{name} of {where} must be a whole number or "auto", got {value!r}')
        if not (value is None or isinstance(value, str)):
            whole(f"{name} of {where}", value, least, most, remedy, ConversionError)
    if silent == levels == "auto":
        raise ConversionError(
            f"silent and levels of {where} are both auto: each buys what the other does; give one of them as a number"
        )


def _require_percentile(where: str, value: float) -> None:
    if not 0 < real(f"percentile of {where}", value, "99.9 is usual", ConversionError) <= 100:
        raise ConversionError(
            f"percentile of {where} must lie in (0, 100], got {value}: 99.9 clips one activation in 1000"
        )
