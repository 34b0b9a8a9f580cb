"""Gradients of a whole population, from the mean of what it gets to the mean of what it sends; no time course is kept.

The forward pass is that of the rule, without a graph; the backward pass is that of the rule's ``response``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from canonic.checks import real, whole
from canonic.codes.readouts import weighted_mean
from canonic.errors import CanonicError, TrainingError
from canonic.learn.feedback import Feedback
from canonic.neurons.rules import Rule


@dataclass(frozen=True)
class Representation:
    """The gradient of ``o = response(I)``, I being the mean current: each step of the current gets the T-th part of it.

    Differentiation on spike representation (Meng et al., arXiv 2205.00459). It keeps one tensor, whatever T is.
    """

    def __call__(
        self,
        rule: Rule,
        currents: Float[Tensor, "time batch *shape"],
        spikes: Float[Tensor, "time batch *shape"],
        recurrent: nn.Module | None,
    ) -> Float[Tensor, "time batch *shape"]:
        """Return the spikes, with this gradient.

        Raises:
            CanonicError: if the population is recurrent, or its rule has no response.
        """
        if recurrent is not None:
            raise CanonicError("Representation is for populations without recurrence: take Equilibrium")
        return standing_for(spikes, response_of(rule)(currents.mean(0)))


@dataclass(frozen=True)
class Equilibrium:
    """The gradient of the fixed point ``a = response(W a + I)`` of a recurrent population, implicitly.

    At the mean a that was simulated, ``lambda = g + J^T lambda`` is solved by damped iteration,
    ``lambda <- (1 - damping) lambda + damping (g + J^T lambda)`` (Xiao et al., arXiv 2109.14247).

    Args:
        iterations: of the solver, at most: it stops where rounding is all that is left.
        damping: in (0, 1]; 1 is fastest where the feedback is bounded.

    Raises:
        CanonicError: if one is out of range.
    """

    iterations: int = 30
    damping: float = 0.5

    def __post_init__(self) -> None:
        whole("iterations of Equilibrium", self.iterations, 1, 10_000, "take 30")
        if not 0 < real("damping of Equilibrium", self.damping, "take 0.5") <= 1:
            raise CanonicError(f"damping of Equilibrium must lie in (0, 1], got {self.damping}: take 0.5")

    def __call__(
        self,
        rule: Rule,
        currents: Float[Tensor, "time batch *shape"],
        spikes: Float[Tensor, "time batch *shape"],
        recurrent: nn.Module | None,
    ) -> Float[Tensor, "time batch *shape"]:
        """Return the spikes, with this gradient.

        Raises:
            CanonicError: if the population is not recurrent, its rule has no response, or its feedback may be as large
                as its threshold.
            TrainingError: in the backward pass, if the iteration does not settle.
        """
        if recurrent is None:
            raise CanonicError("Equilibrium is for populations with recurrent=: take Representation")
        require_bound(recurrent, rule)
        a = weighted_mean(spikes, getattr(rule, "leak", 1.0)).detach().requires_grad_()
        z = response_of(rule)(recurrent(a) + currents.mean(0))
        return standing_for(spikes, self.solved(z, a))

    def solved(
        self, z: Float[Tensor, "batch *shape"], a: Float[Tensor, "batch *shape"]
    ) -> Float[Tensor, "batch *shape"]:
        """Return the same z, whose gradient is that of the fixed point ``a = z(a)``, a being without one.

        Raises:
            TrainingError: in the backward pass, if the iteration does not settle.
        """

        def solve(grad: Tensor) -> Tensor:
            adjoint, first, left = grad, float(grad.norm()), 0.0
            for _ in range(self.iterations):
                (back,) = torch.autograd.grad(z, a, adjoint, retain_graph=True)
                change = grad + back - adjoint
                adjoint, left = adjoint + self.damping * change, float(change.norm())
                if left <= torch.finfo(grad.dtype).eps * first:
                    break
            self._require_settled(left, first)
            return adjoint

        return _Solved.apply(z, solve)  # type: ignore[no-untyped-call,no-any-return]

    def _require_settled(self, left: float, first: float) -> None:
        """Raise a TrainingError if the iteration has not come nearer to its solution than it was when it began."""
        if left >= first > 0:
            raise TrainingError(
                f"the gradient of an equilibrium did not settle in {self.iterations} iterations, {left / first:.2g} of "
                "it is left: there may be no equilibrium; bring the spikes back by Feedback, whose norm stays below "
                "the threshold, or take a smaller learning rate"
            )


class _Solved(torch.autograd.Function):
    """The same forward; backward what a solver makes of the gradient."""

    @staticmethod
    def forward(ctx: FunctionCtx, z: Tensor, solve: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.solve = solve  # type: ignore[attr-defined]
        return z.clone()

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        return ctx.solve(grads[0]), None  # type: ignore[attr-defined]


def require_bound(back: nn.Module, rule: Rule) -> None:
    """Raise a CanonicError if a feedback may be as large as the threshold: there may be no equilibrium then."""
    theta = float(torch.as_tensor(getattr(rule, "theta", 1.0)).min())
    for each in back.modules():
        if isinstance(each, Feedback) and each.bound >= theta:
            raise CanonicError(
                f"a Feedback of norm {each.bound:g} comes back to neurons of threshold {theta:g}, which may have no "
                f"equilibrium: take a bound below the threshold, as {theta / 2:g}"
            )


def response_of(rule: Rule) -> Callable[[Tensor], Tensor]:
    """Return the mean that a rule sends as a function of the mean that it gets."""
    response = getattr(rule, "response", None)
    if response is None:
        raise CanonicError(
            f"{type(rule).__name__} has no response, the mean that it sends at a mean current: take LIF or IF"
        )
    return cast("Callable[[Tensor], Tensor]", response)


def standing_for(spikes: Tensor, number: Tensor) -> Float[Tensor, "time batch *shape"]:
    """Return the spikes, each with the gradient of the number that they stand for."""
    return spikes + (number - number.detach())
