"""Encoders of an input as rules: what each step sends of a number that is the same at all."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.codes import Weighted, from_json
from canonic.codes.encoders import RankOrder, require_range
from canonic.codes.hybrid import HybridInput
from canonic.errors import CanonicError
from canonic.neurons.rules import State

Encoder = Weighted | RankOrder | HybridInput
_OTHERS = {kind.__name__: kind for kind in (RankOrder, HybridInput)}


class Left(NamedTuple):
    """The state of an encoder: no membrane, and the steps of its train that are left, none before the first."""

    u: Float[Tensor, "batch *shape"]
    train: Float[Tensor, "left batch *shape"]


@dataclass(frozen=True)
class Encoded:
    """Sends the train of a code, or of an encoder.

    Args:
        encoder: what gives the train.

    >>> from canonic.codes import Latency
    >>> rule = Encoded(Latency(steps=4))
    >>> rule.run(torch.full((4, 1), 0.75)).flatten().tolist()
    [0.0, 1.0, 0.0, 0.0]
    """

    encoder: Encoder

    random: ClassVar[bool] = False

    def rest(self, like: Float[Tensor, "batch *shape"]) -> Left:
        """Return the state before the first step."""
        return Left(torch.zeros_like(like), like.new_zeros(0, *like.shape))

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], _draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Left, Float[Tensor, "batch *shape"]]:
        """Advance by one step."""
        train = state[1] if len(state[1]) else self.encoder.encode(current)
        return Left(state[0], train[1:]), train[0]

    def run(
        self, currents: Float[Tensor, "time batch *shape"], _draws: Float[Tensor, "time batch *shape"] | None = None
    ) -> Float[Tensor, "time batch *shape"]:
        """Return the train of the first of these currents."""
        return self.encoder.encode(currents[0])


class Sent(NamedTuple):
    """The state of a Poisson train: no membrane, and the steps that are done."""

    u: Float[Tensor, "batch *shape"]
    done: Float[Tensor, "batch *shape"]


@dataclass(frozen=True)
class PoissonTrain:
    """At every step a spike of the sign of x with probability ``|x|``, as the encoder ``canonic.codes.Poisson``.

    Args:
        sends: at the first so many steps; None is all.

    >>> rule, x = PoissonTrain(), torch.tensor([0.5, -0.5])
    >>> rule.step(rule.rest(x), x, torch.tensor([0.4, 0.4]))[1].tolist()
    [1.0, -1.0]
    """

    sends: int | None = None

    random: ClassVar[bool] = True

    def rest(self, like: Float[Tensor, "batch *shape"]) -> Sent:
        """Return the state before the first step."""
        return Sent(torch.zeros_like(like), torch.zeros_like(like))

    def step(
        self, state: State, current: Float[Tensor, "batch *shape"], draw: Float[Tensor, "batch *shape"] | None = None
    ) -> tuple[Sent, Float[Tensor, "batch *shape"]]:
        """Advance by one step.

        Raises:
            CanonicError: without a draw, or if a number is outside [-1, 1].
        """
        if draw is None:
            raise CanonicError("a step of PoissonTrain needs draw=, uniform numbers in [0, 1): torch.rand_like(x)")
        require_range(current, -1)
        u, done = state
        spikes = (draw < current.abs()) * current.sign()
        return Sent(u, done + 1), spikes if self.sends is None else spikes * (done < self.sends)


def encoder_to_json(encoder: Encoder) -> dict[str, Any]:
    """Return an encoder as plain data.

    >>> encoder_from_json(encoder_to_json(HybridInput(steps=3)))
    HybridInput(steps=3)
    """
    return encoder.to_json() if isinstance(encoder, Weighted) else {"name": type(encoder).__name__, **asdict(encoder)}


def encoder_from_json(data: Mapping[str, Any]) -> Encoder:
    """Return the encoder that plain data stand for.

    Raises:
        CanonicError: if there is none.
    """
    kind = _OTHERS.get(data["name"])
    return from_json(data) if kind is None else kind(**{name: value for name, value in data.items() if name != "name"})
