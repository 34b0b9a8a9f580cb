"""Modules of a network in time beside its populations: what ends its analog part, encoders, dropout."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from canonic.checks import real
from canonic.codes import Weighted
from canonic.codes.encoders import Poisson, RankOrder
from canonic.codes.hybrid import HybridInput
from canonic.errors import CanonicError, DataError
from canonic.frontend.marks import marked
from canonic.learn.schedule import Memory, scheduled

Encoder = Weighted | Poisson | RankOrder | HybridInput
"""What gives the train of a number: a code, or an encoder of an input."""


class Hold(nn.Module):
    """Ends the part that is computed once for all steps: what comes out has all of them.

    A population does so by itself; this is for where a constant meets spikes, as in an addition.
    """

    def forward(self, rows: Float[Tensor, "rows *shape"]) -> Float[Tensor, "rows_of_all_steps *shape"]:
        """Return rows of every step.

        Raises:
            DataError: outside a schedule.
        """
        schedule, name = scheduled(self)
        if schedule.marks:
            return rows
        schedule.after[name] = Memory(())
        return schedule.stream(rows, name).flatten(0, 1)


class Encode(nn.Module):
    """Turns numbers that are the same at each step into the spikes of a code or of an encoder.

    Args:
        encoder: a code such as ``canonic.Latency(steps=8)``, or ``canonic.codes.Poisson(steps=8)``, which draws.

    >>> from canonic import Latency
    >>> from canonic.learn import LIF, Population, unroll
    >>> net = nn.Sequential(Encode(Latency(steps=4)), Population(LIF()))
    >>> unroll(net, torch.tensor([[0.75]]), steps=4).output.flatten().tolist()
    [0.0, 1.0, 0.0, 0.0]
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, rows: Float[Tensor, "rows *shape"]) -> Float[Tensor, "rows_of_all_steps *shape"]:
        """Return the spikes of all steps.

        Raises:
            DataError: outside a schedule, of other steps than the encoder's, or for a stream.
        """
        schedule, name = scheduled(self)
        if schedule.marks:
            return marked(rows, name)
        if len(rows) != schedule.batch:
            raise DataError(f"encoder {name} reads a stream: put it where the input is the same at each step")
        if schedule.before is None and self.encoder.steps != schedule.steps:
            raise DataError(
                f"encoder {name} has {self.encoder.steps} steps, and unroll {schedule.steps}: give both the same"
            )
        memory = schedule.remembered(name) or Memory((self._train(rows, schedule.generator(name, rows), name),))
        train = memory.state[0]
        schedule.after[name] = Memory((train[schedule.steps :],))
        return train[: schedule.steps].flatten(0, 1)

    def _train(self, x: Tensor, generator: torch.Generator | None, name: str) -> Float[Tensor, "time batch *shape"]:
        """Return the whole train of some numbers."""
        if not isinstance(self.encoder, Poisson):
            return self.encoder.encode(x)
        if generator is None and not self.training:
            raise DataError(f"encoder {name} is random and the network is in eval(): give seed= to the call")
        return self.encoder.encode(x, generator or torch.Generator(x.device).manual_seed(int(torch.randint(2**62, ()))))

    def extra_repr(self) -> str:
        """Return its encoder."""
        return f"{self.encoder}"


class Dropout(nn.Module):
    """Dropout with one mask a sample, the same at every step (Rathi et al., arXiv 2005.01807).

    It may stand behind what brings spikes back to a population, too.

    Args:
        p: the part that is dropped, in [0, 1).
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= real("p of Dropout", p, "take 0.2") < 1:
            raise CanonicError(f"p of Dropout must lie in [0, 1), got {p}: take 0.2")
        self.p = p

    def forward(self, rows: Float[Tensor, "rows *shape"]) -> Float[Tensor, "rows *shape"]:
        """Return the rows, while it trains with some set to zero and the others scaled by ``1 / (1 - p)``.

        Raises:
            DataError: outside a schedule.
        """
        schedule, name = scheduled(self, again=True)
        if schedule.marks:
            return rows
        ones = torch.ones_like(rows[: schedule.batch])
        (mask,) = schedule.held(name, lambda: (nn.functional.dropout(ones, self.p, self.training),))
        return rows * mask.repeat(len(rows) // schedule.batch, *[1] * (rows.dim() - 1))

    def extra_repr(self) -> str:
        """Return what it drops."""
        return f"p={self.p}"
