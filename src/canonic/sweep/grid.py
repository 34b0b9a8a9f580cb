"""What a sweep tries: settings, as all combinations of a few values each."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from canonic.codes import CSS, Weighted, code_of, fewest_levels, text_of
from canonic.conversion.settings import Levels, Override, Settings, Silent, ThresholdRule
from canonic.errors import ConversionError
from canonic.network.graph import Precision
from canonic.network.precision import require_precision

Layers = tuple[tuple[str, str], ...]
"""Names of populations, each with the code that it has."""


@dataclass(frozen=True)
class Setting:
    """One way to convert and run a network.

    Args:
        steps: digits T of the code.
        silent: silent steps k of every population, or "auto": as few as each needs.
        phi: fraction of the threshold at which a neuron fires.
        threshold: the rule that chooses theta.
        precision: that the network runs at.
        code: "css", as steps, silent, phi, beta and levels say; or a code with its parameters, such as "rate:32".
        beta: the radix.
        levels: the largest digit L of every population, or "auto": as few as each needs.
        layers: populations by name, in another code.

    >>> print(Setting(steps=6, silent="auto"))
    T6-kauto-phi0.5-mse-fp32
    """

    steps: int = 8
    silent: Silent = 1
    phi: float = 0.5
    threshold: ThresholdRule = "mse"
    precision: Precision = "fp32"
    code: str = CSS.name
    beta: float = 2.0
    levels: Levels = 1
    layers: Layers = ()

    @property
    def sent(self) -> Weighted:
        """The code of all populations but those in ``layers``.

        Raises:
            ConversionError: if there is none of these numbers.
        """
        try:
            if self.code != CSS.name:
                return code_of(self.code)
            silent = 1 if isinstance(self.silent, str) else self.silent
            levels = fewest_levels(self.beta) if isinstance(self.levels, str) else self.levels
            return CSS(self.steps, silent, self.beta, self.phi, levels)
        except ValueError as error:
            raise ConversionError(str(error)) from None

    @property
    def settings(self) -> Settings:
        """The settings of the conversion."""
        overrides = {name: Override(code=code) for name, code in self.layers}
        silent = self.silent if self.silent == "auto" else None
        levels = self.levels if self.levels == "auto" else None
        return Settings(self.threshold, overrides=overrides, silent=silent, levels=levels)

    @property
    def text(self) -> str:
        """The code as ``code_of`` reads it, but for auto; layers in others are not in it.

        >>> Setting(steps=4, silent="auto", phi=0.55).text, Setting(code="rate:32").text
        ('css:4,silent=auto,phi=0.55', 'rate:32')
        """
        if self.code != CSS.name:
            return self.code
        unusual = [
            name for name in ("silent", "beta", "phi", "levels") if getattr(self, name) != getattr(Setting, name)
        ]
        given = (f"{name}={str(getattr(self, name)).removesuffix('.0')}" for name in unusual)
        return ",".join((f"{CSS.name}:{self.steps}", *given))

    @property
    def coded(self) -> str:
        """The codes as text, those of layers with the number of these."""
        if self.code != CSS.name:
            alone = re.sub("[^a-z0-9.]+", "-", self.code)
        else:
            family = f"-beta{self.beta:.6g}-L{self.levels}" if (self.beta, self.levels) != (2, 1) else ""
            alone = f"T{self.steps}-k{self.silent}-phi{self.phi:.6g}{family}"
        counts = Counter(re.sub("[^a-z0-9.]+", "-", code) for _, code in self.layers)
        return "+".join((alone, *(f"{count}x{code}" for code, count in counts.items())))

    def assigned(self, names: Iterable[str]) -> dict[str, str]:
        """Return the code of each of these populations."""
        others = dict(self.layers)
        return {name: others.get(name, self.code) for name in names}

    def __str__(self) -> str:
        return f"{self.coded}-{self.threshold}-{self.precision}"

    def to_json(self) -> dict[str, Any]:
        """Return the setting as plain data."""
        return {**asdict(self), "layers": dict(self.layers)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Setting":
        """Return the setting that plain data stand for."""
        return Setting(**{**data, "layers": tuple(data["layers"].items())})


def grid(
    steps: Sequence[int] = (8,),
    silent: Sequence[int | str] = (1,),
    phi: Sequence[float] = (0.5,),
    threshold: Sequence[str] = ("mse",),
    precision: Sequence[str] = ("fp32",),
    *,
    beta: Sequence[float] = (2.0,),
    levels: Sequence[int | str] = (1,),
    codes: Sequence[Weighted | str] = (CSS.name,),
) -> tuple[Setting, ...]:
    """Return all combinations, each once. Those that cannot be, such as k > T, are refused when they are tried.

    Args:
        steps, silent, phi, beta, levels: of "css" where it is named without parameters; other codes bring their own.
        threshold, precision: of every code.
        codes: or their names with their parameters, such as "rate:32".

    Raises:
        CanonicError: if there is no code of a name.
        ConversionError: if there is no threshold rule of this name, or k or L is another word than auto.
        DataError: if there is no precision of this name.

    >>> [str(setting) for setting in grid(steps=(4, 8), precision=("int8",))]
    ['T4-k1-phi0.5-mse-int8', 'T8-k1-phi0.5-mse-int8']
    >>> [str(setting) for setting in grid(codes=("css", "rate:32"))]
    ['T8-k1-phi0.5-mse-fp32', 'rate-32-mse-fp32']
    """
    for k in silent:
        Settings(silent=k)  # type: ignore[arg-type]
    for most in levels:
        Settings(levels=most)  # type: ignore[arg-type]
    for rule in threshold:
        Settings(rule)  # type: ignore[arg-type]
    for kind in precision:
        require_precision(kind)
    found = list[Setting]()
    for code in codes:
        if code == CSS.name:
            members = product(steps, silent, phi, threshold, precision, (code,), beta, levels)
            found += [Setting(*values) for values in members]  # type: ignore[arg-type]
        else:
            text = text_of(code_of(code))
            found += [Setting(threshold=t, precision=p, code=text) for t, p in product(threshold, precision)]  # type: ignore[arg-type]
    return tuple(dict.fromkeys(found))
