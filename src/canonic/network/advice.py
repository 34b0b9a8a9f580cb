"""What is advised of all that was tried: fewest steps first; larger events beside it, or where nothing else helps."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from canonic.codes import CSS, Weighted
from canonic.words import counted

WORTH = 1.0
"""Decibels that a change must gain to be advised, and within which the one with the fewest steps is preferred."""

What = Literal["steps", "silent", "levels", "threshold", "calibration", "precision"]


@dataclass(frozen=True)
class Tried:
    """A change of the conversion that was tried, and what it gained.

    Attributes:
        what: the number of "steps" T, of "silent" steps k or of "levels" L, the rule for a "threshold", other
            "calibration" data, or the "precision" of the network.
        value: T, k, L, "auto" for as few as each population needs, the rule, how many times larger the values are than
            those of the calibration, the precision.
        layer: the population whose setting changes; None where it is that of all.
        gain: at the worst output, in dB; -inf if it cannot be had.
        steps: total steps that it adds.
        code: of the network that it was tried on.
        bits: that it adds to an event, at most.
    """

    what: What
    value: int | float | str
    layer: str | None
    gain: float
    steps: int
    code: Weighted = CSS()
    bits: float = 0.0

    def __str__(self) -> str:
        where = f" for {self.layer}" if self.layer else ""
        match self.what:
            case "steps":
                return f"T = {self.value}"
            case "silent" | "levels":
                return f"{'k' if self.what == 'silent' else 'L'} = {self.value}{where}"
            case "threshold":
                return f"the threshold rule {self.value}{where}"
            case "precision":
                return f"the precision {self.value}"
        return f"calibration on data like these ({self.value} times what {self.layer} can hold)"

    @property
    def setting(self) -> str:
        """What to write in Python for it; "" where it is no setting."""
        match self.what:
            case "precision":
                return f"to_precision({self.value!r})"
            case "calibration":
                return ""
        if self.layer is not None:
            return f"overrides={{{self.layer!r}: Override({self.what}={self.value!r})}}"
        if self.value == "auto":
            return f"settings=Settings({self.what}='auto')"
        return _written(self.code, self.what, self.value)


def _written(code: Weighted, what: str, changed: int | float | str) -> str:
    """Return a code as it is written in Python: what changes, and all that is not as usual."""
    usual = type(code)()
    values = {field.name: getattr(code, field.name) for field in fields(code)} | {what: changed}  # type: ignore[arg-type]
    shown = {name: value for name, value in values.items() if name == what or value != getattr(usual, name)}
    return f"{type(code).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def best(trials: Sequence[Tried]) -> Tried | None:
    """Return the trial with the fewest steps among those within 1 dB of the largest gain; None if none gains 1 dB.

    Larger events are advised only where nothing gains as long as they stay what they are.
    """
    return _fewest_steps([trial for trial in trials if not trial.bits]) or _fewest_steps(trials)


def _fewest_steps(trials: Sequence[Tried]) -> Tried | None:
    top = max((trial.gain for trial in trials), default=0.0)
    near = [trial for trial in trials if trial.gain >= max(WORTH, top - WORTH)]
    return min(near, key=lambda trial: (trial.steps, trial.bits, -trial.gain), default=None)


def instead(trials: Sequence[Tried]) -> Tried | None:
    """Return the trial that gains about as much as the best, in fewer steps and larger events; None if none does."""
    helps, graded = best(trials), _fewest_steps([trial for trial in trials if trial.bits])
    if helps is None or graded is None or helps.bits or graded.steps >= helps.steps:
        return None
    return graded if graded.gain >= helps.gain - WORTH else None


def remedy(trials: Sequence[Tried], samples: int) -> str:
    """Return what to change, in words, as trials judged on some samples have shown."""
    helps, graded = best(trials), instead(trials)
    if helps is None:
        if not trials:
            return (
                "no change of its steps, silent steps, levels or thresholds is left to try; another code may help: "
                "canonic.compare"
            )
        said = ", ".join(f"{trial} {trial.gain:+.1f} dB" for trial in trials)
        return f"nothing that was tried on {samples} samples gains 1 dB: {said}"
    told = f"{helps} would gain {helps.gain:.1f} dB, tried on {samples} samples{_how(helps)}"
    if graded is None:
        return told
    return (
        f"{told}; where steps matter, {graded} gains {graded.gain:.1f} dB in "
        f"{counted(helps.steps - graded.steps, 'step')} less{_how(graded)}"
    )


def _how(trial: Tried) -> str:
    """Return what an event costs more, and what to write for a trial."""
    bits = f", with events of {trial.bits:.1f} bits more" if trial.bits else ""
    return f"{bits}: {trial.setting}" if trial.setting else bits
