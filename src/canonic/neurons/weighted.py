"""The neuron of every weighted code (codes/weighted.py), run over all its steps: the generic path, and the oracle.

It works in units of the value, theta being one: u += w_in[t] I[t]; s = emit(u / w); u -= w s. CSS has programs of its
own where its digits flow on (tsa.py); at a boundary to another code it takes this one.
"""

from collections.abc import Iterable, Iterator
from functools import cache

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from canonic.codes import Weighted
from canonic.codes.weighted import Membrane
from canonic.neurons.tsa import Scan, join

Step = tuple[Membrane, Tensor | None]
"""The state after a step, and what was sent, [batch, *shape]; None in a silent step."""


def weighted_rest(
    code: Weighted, like: Float[Tensor, "batch *shape"], *, signed: bool, start: Float[Tensor, "..."] | None = None
) -> Membrane:
    """Return the state before the first step; ``start``, in units of theta, is added to what the code starts from."""
    state = code.rest(like, signed=signed)
    return state if start is None else state._replace(potential=state.potential + start)


def weighted_step(
    code: Weighted,
    digit: int,
    state: Membrane,
    arrived: Float[Tensor, "batch *shape"] | None,
    *,
    signed: bool,
    ceiling: Float[Tensor, "..."] | None = None,
    theta: Float[Tensor, "..."] | None = None,
) -> tuple[Membrane, Float[Tensor, "batch *shape"] | None]:
    """Advance a population by the step of its digit 1 .. T.

    Args:
        code: its code.
        digit: that leaves with this step.
        state: after the step before.
        arrived: ``w_in I``, in units of theta; None is nothing.
        signed: whether its gate is always open.
        ceiling: of what is sent, in units of theta; none if None.
        theta: whole thresholds of an integer network, in which the rest is in units of its grid; 1 if None.
    """
    if theta is not None:
        return _whole_step(code, digit, state, arrived, theta, signed=signed)
    after, spikes = code.step(digit, state, arrived, signed=signed)
    if spikes is None or ceiling is None:
        return after, spikes
    w = code.weights[digit - 1]
    kept = torch.minimum(spikes, code.alphabet.below((ceiling - state.sent) / w))
    back = w * (spikes - kept)
    return after._replace(potential=after.potential + back, sent=after.sent - back), kept


def _whole_step(
    code: Weighted,
    digit: int,
    state: Membrane,
    arrived: Float[Tensor, "batch *shape"] | None,
    theta: Float[Tensor, "..."],
    *,
    signed: bool,
) -> tuple[Membrane, Float[Tensor, "batch *shape"]]:
    """Advance a population by the step of its digit 1 .. T, in whole numbers; what was sent is in units of theta."""
    u, w = state.potential if arrived is None else state.potential + arrived, code.weights[digit - 1]
    spikes = code.emit(digit, u / (w * theta), state.sent / w, signed=signed)
    return Membrane(u - w * theta * spikes, state.sent + w * spikes), spikes


def released(code: Weighted, digit: int, held: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"] | None:
    """Return with what a number that a population has waited for enters at a digit of its own: as constants do."""
    share = shares(code)[digit - 1]
    return held * share if share else None


@cache
def shares(code: Weighted) -> tuple[float, ...]:
    """Return how much of a number that was waited for enters with each digit, in units of theta."""
    return tuple(w * gain / code.norms[-1] for w, gain in zip(code.weights, code.gains, strict=True))


def worth_of(sender: Weighted, digits: Shaped[Tensor, "time ..."]) -> Shaped[Tensor, "time ..."]:
    """Return ``w_in[t] I[t]``: currents of the digits of a code, with its weights."""
    weights = torch.tensor(sender.weights[: len(digits)], device=digits.device).to(digits)
    return digits * weights.view(-1, *[1] * (digits.dim() - 1))


def weighted_run(
    code: Weighted,
    arrived: Float[Tensor, "time batch *shape"],
    *,
    silent: int,
    signed: bool,
    start: Float[Tensor, "..."] | None = None,
    ceiling: Float[Tensor, "..."] | None = None,
    theta: Float[Tensor, "..."] | None = None,
) -> Iterator[Step]:
    """Yield the state and the spikes at each step 1 .. T + silent; what is missing at the end is nothing.

    In silent steps a population adds up what arrives, to the whole number, which enters from then on as constants do.

    Args:
        code: its code.
        arrived: ``w_in[t] I[t]``, in units of theta, with the weights of the sender.
        silent: steps that it listens first, none or as many as digits arrive.
        signed: whether its gate is always open.
        start: what its membrane starts from beside what the code does, in units of theta.
        ceiling: of what is sent, in units of theta; none if None.
        theta: as for ``weighted_step``.
    """
    state, held = weighted_rest(code, arrived[0], signed=signed, start=start), torch.zeros_like(arrived[0])
    for part in arrived[:silent]:
        held = held + part
        yield state._replace(potential=state.potential + held), None
    for _ in range(len(arrived), silent):
        yield state._replace(potential=state.potential + held), None
    for digit in range(1, code.steps + 1):
        given = arrived[digit - 1] if silent == 0 and digit <= len(arrived) else None
        given = released(code, digit, held) if silent else given
        state, spikes = weighted_step(code, digit, state, given, signed=signed, ceiling=ceiling, theta=theta)
        yield state, spikes


def gathered(code: Weighted, steps: Iterable[Step], *, signed: bool, theta: Float[Tensor, "..."] | float = 1.0) -> Scan:
    """Return what a population did at all its steps.

    Args:
        code: its code.
        steps: as ``weighted_run`` yields them.
        signed: whether its gate is always open.
        theta: as for ``weighted_step``.

    >>> from canonic.codes import named
    >>> code = named("rate", steps=4)
    >>> steps = weighted_run(code, torch.tensor([[0.15]] * 4), silent=0, signed=False)
    >>> gathered(code, steps, signed=False).spikes.T.tolist()
    [[1.0, 0.0, 1.0, 0.0]]
    """
    digits, overloads = [], []
    for state, spikes in steps:
        if spikes is not None:
            digits.append(spikes)
            overloads.append(weighted_overloaded(code, len(digits), state, signed=signed, theta=theta))
    return Scan(join(digits), torch.stack(overloads))


def weighted_overloaded(
    code: Weighted, digit: int, state: Membrane, *, signed: bool, theta: Float[Tensor, "..."] | float = 1.0
) -> Int[Tensor, ""]:
    """Count the neurons for which the event of a digit was not enough: they would send another at once."""
    w = code.weights[digit - 1]
    again = code.emit(digit, state.potential / (w * theta), state.sent / w, signed=signed)
    return again.count_nonzero()
