"""The call by which a population of a trained network marks its place in an exported program."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from canonic.frontend.call import Call, Refusal, Rule
from canonic.network.graph import Neurons, Node

PLACE = "canonic.population.default"
"""The operator: nothing is computed, and the result is the currents."""


@torch.library.custom_op("canonic::population", mutates_args=())
def _population(currents: Tensor, module: str) -> Tensor:  # noqa: ARG001 - it is read from the program
    return currents.clone()


@_population.register_fake
def _(currents: Tensor, module: str) -> Tensor:  # noqa: ARG001
    return torch.empty_like(currents)


def marked(currents: Float[Tensor, "batch *shape"], module: str) -> Float[Tensor, "batch *shape"]:
    """Return the currents of a population, behind a call that names its module."""
    result: Tensor = _population(currents, module)
    return result


def population(call: Call) -> Node:
    """A population of a trained network; its module has the rule."""
    if not call.shape:
        raise Refusal("its population has no axis but the batch", "keep an axis of size 1: [batch, 1]")
    made = call.population(Neurons(signed=True))
    return replace(made, arguments={"module": call.arguments["module"]})


RULES: dict[str, Rule] = {PLACE: population}
