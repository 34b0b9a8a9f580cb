"""What a program computes from its weights alone, for whatever batch."""

from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, fx

from canonic.frontend.batch import is_repeated, shape_at, size_at
from canonic.frontend.call import Refusal


@dataclass
class Constants:
    """The constants of a program: as they are for a batch of one and, where that matters, for a batch of two."""

    for_one: dict[fx.Node, Any] = field(default_factory=dict)
    for_two: dict[fx.Node, Any] = field(default_factory=dict)

    def __contains__(self, node: fx.Node) -> bool:
        return node in self.for_one

    def compute(self, node: fx.Node) -> None:
        """Compute a call that does not depend on the input.

        Raises:
            Refusal: if it draws random numbers.
        """
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) or not callable(node.target):
            raise Refusal(
                "it draws random numbers",
                "make it a buffer of the model, with a batch axis of 1; in dropout, pass training=self.training",
            )
        self.for_one[node] = self._computed(node, 1)
        sources = node.all_input_nodes
        if any(source in self.for_two or source not in self for source in sources):
            self.for_two[node] = self._computed(node, 2)

    def _computed(self, node: fx.Node, batch: int) -> Any:
        def value_of(source: fx.Node) -> Any:
            if source not in self:
                return _like(source.meta["val"], batch)
            return self.for_two[source] if batch == 2 and source in self.for_two else self.for_one[source]

        arguments, keywords = fx.map_arg((node.args, node.kwargs), value_of)
        return cast(Any, node.target)(*arguments, **keywords)

    def of(self, node: fx.Node, *, by_sample: bool) -> Any:
        """Return a constant for a batch of one.

        Args:
            node: what computed it.
            by_sample: it may differ from sample to sample, as the places of the samples themselves do.

        Raises:
            Refusal: if it differs nevertheless.
        """
        one, two = self.for_one[node], self.for_two.get(node)
        if isinstance(two, Tensor) and not by_sample and not is_repeated(one, two):
            raise Refusal("its constant differs from sample to sample", "use one for all samples of a batch")
        return one


def _like(value: Tensor | torch.SymInt, batch: int) -> Any:
    """Return a size, or a tensor of the size of a stream: for what depends on sizes only (zeros_like)."""
    if isinstance(value, Tensor):
        return torch.zeros(shape_at(value, batch), dtype=value.dtype)
    return size_at(value, batch)
