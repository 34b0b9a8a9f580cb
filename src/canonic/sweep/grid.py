"""What a sweep tries: settings, as all combinations of a few values each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from canonic.codes import CSS, Weighted, code_of
from canonic.conversion.settings import Settings, Silent, ThresholdRule
from canonic.errors import ConversionError
from canonic.network.graph import Precision
from canonic.network.precision import require_precision


@dataclass(frozen=True)
class Setting:
    """One way to convert and run a network.

    Args:
        steps: digits T of the code.
        silent: silent steps k of every population, or "auto": as few as each needs.
        phi: fraction of the threshold at which a neuron fires.
        threshold: the rule that chooses theta.
        precision: that the network runs at.
        code: "css", as steps, silent and phi say; or a code with its parameters, such as "rate:32".

    >>> print(Setting(steps=6, silent="auto"))
    T6-kauto-phi0.5-mse-fp32
    """

    steps: int = 8
    silent: Silent = 1
    phi: float = 0.5
    threshold: ThresholdRule = "mse"
    precision: Precision = "fp32"
    code: str = CSS.name

    @property
    def sent(self) -> Weighted:
        """The code of all populations.

        Raises:
            ConversionError: if there is none of these numbers.
        """
        try:
            if self.code != CSS.name:
                return code_of(self.code)
            return CSS(self.steps, 1 if isinstance(self.silent, str) else self.silent, phi=self.phi)
        except ValueError as error:
            raise ConversionError(str(error)) from None

    @property
    def settings(self) -> Settings:
        """The settings of the conversion."""
        return Settings(self.threshold, silent="auto" if self.silent == "auto" else None)

    def __str__(self) -> str:
        if self.code != CSS.name:
            return f"{re.sub('[^a-z0-9.]+', '-', self.code)}-{self.threshold}-{self.precision}"
        return f"T{self.steps}-k{self.silent}-phi{self.phi:.6g}-{self.threshold}-{self.precision}"


def grid(
    steps: Sequence[int] = (8,),
    silent: Sequence[int | str] = (1,),
    phi: Sequence[float] = (0.5,),
    threshold: Sequence[str] = ("mse",),
    precision: Sequence[str] = ("fp32",),
) -> tuple[Setting, ...]:
    """Return all combinations, each once. Those that cannot be, such as k > T, are refused when they are tried.

    Raises:
        ConversionError: if there is no threshold rule of this name, or k is another word than auto.
        DataError: if there is no precision of this name.

    >>> [str(setting) for setting in grid(steps=(4, 8), precision=("int8",))]
    ['T4-k1-phi0.5-mse-int8', 'T8-k1-phi0.5-mse-int8']
    """
    for k in silent:
        Settings(silent=k)  # type: ignore[arg-type]
    for rule in threshold:
        Settings(rule)  # type: ignore[arg-type]
    for kind in precision:
        require_precision(kind)
    combined = product(steps, silent, phi, threshold, precision)
    return tuple(dict.fromkeys(Setting(*values) for values in combined))  # type: ignore[arg-type]
