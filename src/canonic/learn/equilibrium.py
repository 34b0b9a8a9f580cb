"""Several populations in a loop, trained by the equilibrium of what they send (Xiao et al., arXiv 2109.14247).

The means of their spikes tend to ``a_1 = f(W a_N + I)``, ``a_k = f(F_k a_(k-1))``, f being the response of their rule.
The backward pass differentiates that fixed point in ``a_N``, at the mean that was simulated; no time course is kept.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from canonic.codes.readouts import weighted_mean
from canonic.errors import ConversionError
from canonic.learn.gradients import Equilibrium, require_bound, standing_for
from canonic.learn.schedule import Memory, scheduled
from canonic.neurons.rules import IF, LIF, Potential


class Loop(nn.Module):
    """Populations one after the other, of which the last comes back to the first.

    At each step the first gets its current and what comes back of the step before; each other reads the spikes that the
    one before it sends at the same step. One alone is a ``Population`` with ``recurrent=back``.

    Args:
        rule: of all neurons.
        layers: between the populations, from the first to the last: functions of one step, as ``nn.Linear``.
        back: from the spikes of the last to currents of the first, as ``Feedback``.
        gradient: that of the fixed point.

    >>> from canonic.learn import unroll
    >>> from canonic.learn.feedback import Feedback
    >>> loop = Loop(LIF(leak=1.0), [nn.Linear(3, 2)], Feedback(3, 2, bound=0.5)).eval()
    >>> unroll(loop, torch.rand(5, 3), steps=4).output.shape
    torch.Size([4, 5, 2])
    """

    def __init__(
        self, rule: LIF | IF, layers: Sequence[nn.Module], back: nn.Module, gradient: Equilibrium | None = None
    ) -> None:
        super().__init__()
        self.rule, self.back, self.gradient = rule, back, gradient or Equilibrium()
        self.layers = nn.ModuleList([nn.Identity(), *layers])

    def forward(self, rows: Float[Tensor, "rows *shape"]) -> Float[Tensor, "rows_of_all_steps *given"]:
        """Return the spikes of the last population, of all steps.

        Raises:
            DataError: outside a schedule, or if rows do not fit.
            ConversionError: if it is to be the node of a graph.
        """
        schedule, name = scheduled(self)
        if schedule.marks:
            raise ConversionError(
                f"{name or 'the network'} is a Loop of several populations, which no graph has: run it"
            )
        currents = schedule.stream(rows, name)
        with torch.no_grad():
            trains, schedule.after[name] = self._scan(currents, schedule.remembered(name))
        if torch.is_grad_enabled():
            trains[-1] = self._settled(currents, trains[-1])
        schedule.spikes.update({f"{name}.{number}": train for number, train in enumerate(trains)})
        return trains[-1].flatten(0, 1)

    def response(self, mean: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *given"]:
        """Return the mean that the last population sends at a mean current of the first."""
        for layer in self.layers:
            mean = self.rule.response(layer(mean))
        return mean

    def _settled(
        self, currents: Float[Tensor, "time batch *shape"], spikes: Float[Tensor, "time batch *given"]
    ) -> Float[Tensor, "time batch *given"]:
        """Return the spikes of the last population, with the gradient of the fixed point."""
        require_bound(self.back, self.rule)
        a = weighted_mean(spikes, getattr(self.rule, "leak", 1.0)).requires_grad_()
        z = self.response(currents.mean(0) + self.back(a))
        return standing_for(spikes, self.gradient.solved(z, a))

    def _scan(self, currents: Float[Tensor, "time batch *shape"], memory: Memory | None) -> tuple[list[Tensor], Memory]:
        """Return the spikes of each population at all steps, and what to go on from."""
        memory = memory or self._rest(currents[0])
        trains = []
        for current in currents:
            memory, spikes = self._step(memory, current)
            trains.append(spikes)
        return [torch.stack(train) for train in zip(*trains, strict=True)], memory

    def _step(self, memory: Memory, current: Float[Tensor, "batch *shape"]) -> tuple[Memory, list[Tensor]]:
        """Return what all populations go on from after a step, and their spikes."""
        signal, potentials, spikes = current + self.back(memory.sent), [], []
        for layer, u in zip(self.layers, memory.state, strict=True):
            (moved,), signal = self.rule.step(Potential(u), layer(signal))
            potentials.append(moved)
            spikes.append(signal)
        return Memory(tuple(potentials), signal), spikes

    def _rest(self, current: Float[Tensor, "batch *shape"]) -> Memory:
        """Return what all populations start from."""
        signal, potentials = current, []
        for layer in self.layers:
            signal = torch.zeros_like(layer(signal))
            potentials.append(signal)
        return Memory(tuple(potentials), signal)

    def extra_repr(self) -> str:
        """Return its rule."""
        return f"{self.rule}"
