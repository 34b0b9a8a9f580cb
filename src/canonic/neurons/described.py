"""Rules as plain data: their kind and their fields; how spikes are differentiated is for training, and left out."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from canonic.errors import CanonicError, nearest
from canonic.neurons.adaptive import ALIF
from canonic.neurons.bursting import Bursting
from canonic.neurons.delayed import Delayed
from canonic.neurons.double_exponential import DoubleExponential
from canonic.neurons.encoding import Encoded, PoissonTrain, encoder_from_json, encoder_to_json
from canonic.neurons.leaky import Integrator, Leaky, SingleSpike
from canonic.neurons.parallel import MPE, PSN
from canonic.neurons.rules import IF, LIF, Rule
from canonic.neurons.stochastic import Stochastic
from canonic.neurons.surrogate import Surrogate

KINDS: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        *(LIF, IF, ALIF, Leaky, Delayed, SingleSpike, Bursting, DoubleExponential, Integrator, Stochastic, MPE, PSN),
        *(Encoded, PoissonTrain),
    )
}
"""All rules that a file may name."""


@dataclass(frozen=True)
class Form:
    """A rule without those of its fields that are tensors: these are kept with the tensors of a network.

    Attributes:
        kind: of the rule.
        values: the other fields.

    >>> import torch
    >>> form, own = parted(LIF(leak=torch.tensor([0.5, 0.25]), theta=torch.tensor(2.0)))
    >>> form.name, form.values["theta"], {name: list(value.shape) for name, value in own.items()}
    ('LIF', 2.0, {'leak': [2]})
    >>> form.rule(own).leak.tolist()
    [0.5, 0.25]
    """

    kind: type
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of its kind."""
        return self.kind.__name__

    @property
    def known(self) -> bool:
        """Whether a file may name it."""
        return KINDS.get(self.name) is self.kind

    @property
    def random(self) -> bool:
        """Whether it decides by chance."""
        return bool(getattr(self.kind, "random", False))

    @property
    def fires(self) -> bool:
        """Whether it sends spikes, and no membranes."""
        return self.kind is not Integrator and self.values.get("sends") != "membrane"

    def rule(self, tensors: Mapping[str, Tensor]) -> Rule:
        """Return the rule with the other fields.

        Raises:
            CanonicError: if one is out of range.
        """
        rule: Rule = self.kind(**self.values, **tensors)
        return rule

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        coded = {"encoder": encoder_to_json(self.values["encoder"])} if self.kind is Encoded else {}
        return {"kind": self.name, **self.values, **coded}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Form":
        """Return the form that plain data stand for.

        Raises:
            CanonicError: if there is no such rule.
        """
        if data["kind"] not in KINDS:
            raise CanonicError(f"there is no rule {data['kind']!r}: {nearest(str(data['kind']), list(KINDS))}")
        kind, values = KINDS[data["kind"]], {name: value for name, value in data.items() if name != "kind"}
        coded = {"encoder": encoder_from_json(values["encoder"])} if kind is Encoded else {}
        return Form(kind, {**values, **coded})


def parted(rule: Rule) -> tuple[Form, dict[str, Tensor]]:
    """Return the form of a rule as it is after training, and its fields that are more than one number."""
    given = {each.name: getattr(rule, each.name) for each in fields(rule)}  # type: ignore[arg-type]
    tensors = {name: value.detach() for name, value in given.items() if isinstance(value, Tensor)}
    several = {name: value for name, value in tensors.items() if value.dim()}
    numbers = {name: value.item() for name, value in tensors.items() if not value.dim()}
    plain = {name: value for name, value in given.items() if not isinstance(value, Surrogate | Tensor)}
    return Form(type(rule), {**plain, **numbers}), several
