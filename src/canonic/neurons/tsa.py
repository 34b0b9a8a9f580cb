"""The ternary self-amplifying neuron (arXiv 2408.17245): amplify, integrate, fire at half the threshold.

In its own time t = 1 .. T + k, with theta' = beta^k and every current I in units of the neuron's theta:

    u    = beta * v[t-1] + I[t]
    s[t] = 0 for t <= k;  +1 if u >= phi theta';  -1 if u <= -phi theta' and the gate is open;  0 otherwise
    v[t] = u - theta' s[t]

A signed population has its gate open from the start; that of a ReLU population opens with its first +1, so that
what it has sent so far never stands for a negative number. With L > 1 levels the digit is the nearest to u / theta',
at most L, and the gate is as wide as what may be taken back, with N[m] = beta N[m-1] + s[m] the prefix:

    s = max(s, -beta N[m-1])  (ReLU);        s = min(s, round(c beta^(m-1)) - beta N[m-1])  (a ceiling c)

Output digit m leaves at step m + k, and

    a_out = Z + beta v[0] - v[T+k] * beta^-(T-1+k)        (exact: all the error is the residual in the membrane).

In an integer network currents and thresholds are whole, and membranes saturate, so that floats hold every sum.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import hardshrink

from canonic.codes import CSS
from canonic.neurons.edges import below


class Membrane(NamedTuple):
    """The state of a population: the potential v, in units of theta, and the gate: the largest digit taken back.

    1 open, 0 closed with one level; ``beta N`` with more; infinite in a signed population of more.
    """

    potential: Float[Tensor, "*shape"]
    gate: Float[Tensor, "*shape"]


class Fired(NamedTuple):
    """The spikes of a population, counted.

    Attributes:
        positive: spikes above zero of each digit.
        negative: spikes below zero of each digit.
        silent: neurons without any, sample by sample.
        units: of each neuron the sizes of its spikes added up, over all digits and samples: their number, where they
            are ternary.
    """

    positive: Int[Tensor, " time"]
    negative: Int[Tensor, " time"]
    silent: int
    units: Int[Tensor, "..."]


class Scan(NamedTuple):
    """What a population did: its spikes, how many neurons were overloaded at each digit, and its spikes counted."""

    spikes: Shaped[Tensor, "time *shape"]
    overloads: Int[Tensor, " time"]
    fired: Fired | None = None


def saturation(code: CSS) -> float:
    """Return the largest membrane of an integer network: with currents up to 2^23, a float holds ``beta v + I``."""
    return 2.0**23 // code.beta


def rest(like: Float[Tensor, "batch *shape"], *, signed: bool, start: Float[Tensor, "..."] | None = None) -> Membrane:
    """Return the state before the first step, with the shape and type of a current.

    Args:
        like: a current.
        signed: whether the gate is open from the start.
        start: initial potential of each neuron, in units of theta; 0 if None. It adds beta * start to the output.
    """
    potential = torch.zeros_like(like)
    gate = torch.full_like(like, torch.inf if signed else 0.0)
    return Membrane(potential if start is None else potential + start, gate)


def step(
    code: CSS,
    t: int,
    state: Membrane,
    current: Float[Tensor, "*shape"] | None,
    theta: Float[Tensor, "..."] | None = None,
    ceiling: Float[Tensor, "..."] | None = None,
) -> tuple[Membrane, Float[Tensor, "*shape"] | None]:
    """Advance a population by its step t = 1 .. T + k; a current or spikes of None mean silence.

    Args:
        code: the population's code.
        t: the step, in its own time.
        state: after step t - 1.
        current: in units of theta, or whole numbers if theta is given.
        theta: whole thresholds of an integer network, broadcast against one sample; 1 if None.
        ceiling: of what is sent, in units of theta; none if None. With one level the end of the code is the ceiling.
    """
    v, gate = state
    u = code.beta * v if current is None else torch.add(current, v, alpha=code.beta)
    if t <= code.silent:
        return Membrane(_saturated(code, u, theta), gate), None
    top = code.beta**code.silent
    if code.levels == 1:
        spikes = _fired(u, gate, _bar(code, t), theta, inclusive=True)
        opened = torch.maximum(gate, spikes)
    else:
        spikes = _graded(code, u / (top if theta is None else top * theta), gate, _cap(code, t, ceiling))
        opened = code.beta * (gate + spikes)
    v = torch.sub(u, spikes, alpha=top) if theta is None else u - spikes * (top * theta)
    return Membrane(_saturated(code, v, theta), opened), spikes


def overloaded(
    code: CSS,
    t: int,
    state: Membrane,
    theta: Float[Tensor, "..."] | None = None,
    ceiling: Float[Tensor, "..."] | None = None,
) -> Int[Tensor, ""]:
    """Count the neurons for which the spike of step t was not enough: they would have to fire at once again.

    Their current was beyond what one spike can take back. While |v| <= phi theta' this cannot happen for
    ``|I| <= (1 - phi (beta - 1)) theta'``, and without it the output ends within half an LSB of its target.
    """
    if code.levels == 1:
        return _fired(state.potential, state.gate, _bar(code, t), theta, inclusive=False).count_nonzero()
    (v, gate), cap, gap, half = state, _cap(code, t, ceiling), code.gap, _bar(code, t) * (1 if theta is None else theta)
    more = v > gap * half if cap is None else (v > gap * half) & (gate < code.beta * (cap - gap + 1))
    return (more | (v < -gap * half) & (gate >= code.beta * gap)).count_nonzero()


def _bar(code: CSS, t: int) -> float:
    return code.fraction(t - code.silent) * code.beta**code.silent


def _fired(
    u: Float[Tensor, "*shape"],
    gate: Float[Tensor, "*shape"],
    bar: float,
    theta: Float[Tensor, "..."] | None,
    *,
    inclusive: bool,
) -> Float[Tensor, "*shape"]:
    """Return +1 where u > bar, -1 where u < -bar and the gate is open, else 0; inclusive: also where |u| = bar.

    Written with operators that have vector instructions: comparisons and masks are five times slower.
    """
    if theta is None:
        return torch.maximum(hardshrink(u, below(bar, u.dtype) if inclusive else bar).sign(), -gate)
    bars = bar * theta
    up, down = (u >= bars, u <= -bars) if inclusive else (u > bars, u < -bars)
    return torch.maximum(up.to(u.dtype) - down.to(u.dtype), -gate)


def _graded(
    code: CSS, u: Float[Tensor, "*shape"], gate: Float[Tensor, "*shape"], cap: Float[Tensor, "..."] | None
) -> Float[Tensor, "*shape"]:
    """Return the digits of several levels; u in theta', exact to the half, as ``L theta' < 2^23`` if whole."""
    digits = torch.maximum(code.nearest(u), -code.below(gate))
    return digits if cap is None else torch.minimum(digits, code.below(cap - gate))


def _cap(code: CSS, t: int, ceiling: Float[Tensor, "..."] | None) -> Float[Tensor, "..."] | None:
    """Return the largest prefix after step t."""
    return None if ceiling is None else (ceiling * code.beta ** (t - code.silent - 1)).round()


def _saturated(code: CSS, v: Float[Tensor, "*shape"], theta: Float[Tensor, "..."] | None) -> Float[Tensor, "*shape"]:
    return v if theta is None else v.clamp(-saturation(code), saturation(code))


def run(
    code: CSS,
    currents: Float[Tensor, "time batch *shape"],
    *,
    signed: bool,
    start: Float[Tensor, "..."] | None = None,
    theta: Float[Tensor, "..."] | None = None,
    ceiling: Float[Tensor, "..."] | None = None,
) -> Iterator[tuple[int, Membrane, Float[Tensor, "*shape"] | None]]:
    """Yield (t, state, spikes) at each step t = 1 .. T + k; currents that are missing at the end are zero."""
    state = rest(currents[0], signed=signed, start=start)
    for t in range(1, code.steps + code.silent + 1):
        state, spikes = step(code, t, state, currents[t - 1] if t <= len(currents) else None, theta, ceiling)
        yield t, state, spikes


def replay(
    code: CSS,
    currents: Float[Tensor, "time batch *shape"],
    spikes: Float[Tensor, "time batch *shape"],
    *,
    start: Float[Tensor, "..."] | None = None,
    theta: Float[Tensor, "..."] | None = None,
) -> Float[Tensor, "time batch *shape"]:
    """Return the potentials after every step 1 .. T + k of a population that has fired these spikes.

    Args:
        code: the population's code.
        currents: of every step, as for ``scan``.
        spikes: of every step, silence in the first k.
        start: as for ``scan``.
        theta: as for ``scan``.
    """
    top = code.beta**code.silent * (1 if theta is None else theta)
    v, potentials = rest(currents[0], signed=True, start=start).potential, []
    for current, spike in zip(currents, spikes, strict=True):
        v = _saturated(code, current + code.beta * v - spike * top, theta)
        potentials.append(v)
    return join(potentials)


def join(steps: Sequence[Float[Tensor, "batch *shape"]]) -> Float[Tensor, "time batch *shape"]:
    """Return steps as a stream. Unlike ``torch.stack`` this keeps their memory format (channels last)."""
    return torch.cat(list(steps)).view(len(steps), *steps[0].shape)


def scan(
    code: CSS,
    currents: Float[Tensor, "time batch *shape"],
    *,
    signed: bool,
    start: Float[Tensor, "..."] | None = None,
    theta: Float[Tensor, "..."] | None = None,
    ceiling: Float[Tensor, "..."] | None = None,
) -> Scan:
    """Run a population over all its steps.

    Args:
        code: the population's code.
        currents: in units of theta, at most T steps; those that are missing are zero.
        signed: whether the gate is open from the start.
        start: initial potential, in units of theta; broadcast against one sample.
        theta: whole thresholds of an integer network; 1 if None.
        ceiling: of what is sent, in units of theta; none if None.

    >>> code = CSS(steps=4, silent=1)
    >>> result = scan(code, torch.tensor([[0.9]]), signed=False)
    >>> result.spikes.T.tolist(), result.overloads.tolist()
    ([[1.0, 0.0, 0.0, -1.0]], [0, 0, 0, 0])
    """
    digits, overloads = [], []
    for t, state, spikes in run(code, currents, signed=signed, start=start, theta=theta, ceiling=ceiling):
        if spikes is not None:
            digits.append(spikes)
            overloads.append(overloaded(code, t, state, theta, ceiling))
    return Scan(join(digits), torch.stack(overloads))
