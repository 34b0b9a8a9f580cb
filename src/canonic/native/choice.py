"""Which program runs a population, by its rule, its code and the device; each gives the spikes of the pure step.

C on a processor, the loop that torch compiles on a GPU, and torch's operators for everything else. Why there is nothing
faster is said once in the log.
"""

import logging
from functools import cache
from typing import cast

from jaxtyping import Float
from torch import Tensor

from canonic.codes import CSS, Weighted
from canonic.native.build import Source
from canonic.native.compiled import compiled_scan
from canonic.native.leaky import Plain, leaky_run, obstacle
from canonic.native.population import Given
from canonic.native.rules import amplifying, own_neuron, weighted
from canonic.native.scan import native_scan, source_of
from canonic.neurons import Scan, gathered, scan, weighted_run, worth_of
from canonic.neurons.rules import Rule, State
from canonic.neurons.running import Moved, Recurrence, moved

log = logging.getLogger("canonic")


def css_scan(code: CSS, given: Given, *, compiled: bool = False) -> Scan:
    """Run a population of CSS over all its steps; what ``scan`` gives for the sum of its terms.

    Programs in C count overloads where they count spikes; else there are none.

    Args:
        code: the population's code.
        given: what it reads.
        compiled: let torch compile the loop where it is not C; overloads are then not counted, and 0.
    """
    unsuited = _unsuited(code, given)
    done = None if unsuited else native_scan(amplifying(code, given), given)
    if done is not None:
        return done
    if compiled and given.ceiling is None and not code.powers:
        return compiled_scan(code, given)
    _said(unsuited)
    did = scan(code, given.current, signed=given.signed, start=given.start, theta=given.theta, ceiling=given.ceiling)
    return Scan(did.spikes.to(given.spike), did.overloads)


def css_source(code: CSS, given: Given) -> Source | None:
    """Return the C program that ``css_scan`` runs; None if it runs none."""
    return None if _unsuited(code, given) else source_of(amplifying(code, given), given)


def _unsuited(code: CSS, given: Given) -> str | None:
    return given.unsuited or ("digits are powers of two only" if code.powers and code.levels > 1 else None)


def weighted_scan(code: Weighted, sender: Weighted, given: Given, *, silent: int) -> Scan:
    """Run a population of any code over all its steps; what ``weighted_run`` gives for the sum of its terms.

    Args:
        code: the population's code.
        sender: the code of the digits that it reads.
        given: what it reads, in the sender's digits.
        silent: steps that it listens first.
    """
    theta, special = given.theta, "there is a ceiling" if given.ceiling is not None else None
    special = "thresholds are whole numbers" if theta is not None else special
    unsuited = given.unsuited or special or own_neuron(code)
    done = None if unsuited else native_scan(weighted(code, sender, silent, given), given)
    if done is not None:
        return done
    _said(unsuited)
    steps = weighted_run(
        code,
        worth_of(sender, given.current if theta is None else given.current.double()),
        silent=silent,
        signed=given.signed,
        start=given.start,
        ceiling=given.ceiling,
        theta=theta,
    )
    did = gathered(code, steps, signed=given.signed, theta=1.0 if theta is None else theta)
    return Scan(did.spikes.to(given.spike), did.overloads)


def rule_scan(
    rule: Rule,
    state: State,
    currents: Float[Tensor, "time batch *shape"],
    draws: Float[Tensor, "time batch *shape"] | None = None,
    recurrence: Recurrence | None = None,
    sent: Float[Tensor, "batch *shape"] | None = None,
    *,
    membrane: bool = False,
) -> Moved:
    """Run a rule over some steps; what ``moved`` gives, of which the arguments are."""
    unsuited = "spikes come back to them" if recurrence is not None else obstacle(rule, state, currents)
    done = None if unsuited else leaky_run(cast("Plain", rule), state, currents, membrane=membrane)
    if done is not None:
        return done
    _said(unsuited)
    return moved(rule, state, currents, draws, recurrence, sent, membrane=membrane)


@cache
def _said(reason: str | None) -> None:
    """Say once why neurons run as torch's operators."""
    if reason is not None:
        log.info("neurons run as torch operators, with the same spikes, as %s", reason)
