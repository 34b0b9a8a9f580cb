"""What brings spikes back to a population, with a norm that is bounded, so that their mean has an equilibrium."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from canonic.checks import real, whole
from canonic.errors import CanonicError, TrainingError
from canonic.learn.schedule import scheduled
from canonic.neurons.rules import State


class Feedback(nn.Module):
    """A matrix whose largest singular value is bounded: ``W = clamp(g, -bound, bound) R / sigma(R)``.

    R and the number g are trained. sigma comes from one iteration of the power method in each pass of a training
    (Miyato et al., arXiv 1802.05957), and is a little behind while R moves: the norm of W stays within some per cent of
    its bound. Below the threshold of the neurons, the mean of what they send has one equilibrium (Xiao et al., arXiv
    2109.14247).

    Args:
        width: of the population that the spikes come back to.
        source: of that which sends them; the same population if None.
        bound: of the norm, above 0.

    Raises:
        CanonicError: if one is out of range.

    >>> _ = torch.manual_seed(0)
    >>> round(torch.linalg.matrix_norm(Feedback(8).weight, 2).item(), 3)
    1.0
    """

    direction: Tensor

    def __init__(self, width: int, source: int | None = None, *, bound: float = 1.0) -> None:
        super().__init__()
        source = width if source is None else source
        for name, size in (("width", width), ("source", source)):
            whole(f"{name} of Feedback", size, 1, 2**31, "give the number of neurons")
        if not 0 < real("bound of Feedback", bound, "take 1.0") < float("inf"):
            raise CanonicError(f"bound of Feedback must be above 0 and finite, got {bound}: take 1.0")
        self.bound = float(bound)
        self.raw = nn.Parameter(F.normalize(torch.empty(width, source).uniform_(-1, 1)))
        self.gain = nn.Parameter(torch.full((), self.bound))
        self.register_buffer("direction", F.normalize(torch.ones(source), dim=0))
        for _ in range(FIRST):
            self.refine()

    @property
    def weight(self) -> Float[Tensor, "width source"]:
        """The matrix W.

        Raises:
            TrainingError: if R is 0 and has no norm that it could be divided by.
        """
        sigma = (self.raw @ self.direction).norm()
        if not bool(sigma > 0):
            raise TrainingError(
                f"the matrix of a Feedback has the norm {float(sigma):g}, so that no other can be given to it: "
                "start it from random numbers, or take the feedback away"
            )
        weight: Tensor = self.gain.clamp(-self.bound, self.bound) * self.raw / sigma
        return weight

    def refine(self) -> None:
        """Bring the direction of the largest singular value nearer, by one iteration."""
        with torch.no_grad():
            self.direction = F.normalize(self.raw.T @ (self.raw @ self.direction), dim=0)

    def forward(self, sent: Float[Tensor, "batch source"]) -> Float[Tensor, "batch width"]:
        """Return the currents of some spikes, or of their mean."""
        if self.training:
            schedule, name = scheduled(self, again=True)
            schedule.held(name, self._refined)
        return F.linear(sent, self.weight)

    def _refined(self) -> State:
        self.refine()
        return ()

    def extra_repr(self) -> str:
        """Return its size and its bound."""
        return f"{self.raw.shape[0]}, source={self.raw.shape[1]}, bound={self.bound}"


FIRST = 30
"""Iterations before the first pass."""
