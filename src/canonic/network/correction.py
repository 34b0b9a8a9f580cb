"""Correction of the mean error: each channel starts at the membrane potential that makes up for it.

Rounding, clipping and overload leave a mean error in every channel, and it adds up over the pixels and layers that
follow. Its remedy costs nothing at run time (initial potentials: Bu et al., AAAI 2022): with d the mean, over the
calibration data, of Z in the source network minus Z in the spiking one, the neurons start at v[0] = d / beta, and

    a_out = Z + d - v_end * beta^-(T-1+k).
"""

from jaxtyping import Float
from torch import Tensor

from canonic.network.graph import Population
from canonic.network.parts import in_parts
from canonic.network.plan import Plan


def correct_mean(
    plan: Plan, node: Population, wanted: Float[Tensor, "batch ..."], currents: Float[Tensor, "_ batch ..."]
) -> Population:
    """Return a population that starts at the potentials that remove its mean error.

    The membrane of CSS is doubled before it integrates; that of other codes is in units of the value, v[0] = d.
    """
    (error,) = in_parts(
        lambda given: [given[0] - plan.current_value(node, given[1].movedim(1, 0))],
        [wanted, currents.movedim(1, 0)],
        currents[:, 0].nbytes,
    )
    error = channel_mean(error, node.tensors["theta"])
    css = node.neurons.css
    return node.with_tensors(start=error / css.beta if css else error)


def channel_mean(values: Float[Tensor, "batch ..."], theta: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return the mean for each channel, in the shape of theta."""
    axes = [0, *(axis + 1 for axis, size in enumerate(theta.shape) if size == 1)]
    return values.mean(axes, keepdim=True)[0]
