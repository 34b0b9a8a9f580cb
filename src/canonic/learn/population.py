"""The module that stands where a ReLU would stand: neurons of one rule, with one gradient."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, is_dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from canonic.errors import CanonicError, DataError
from canonic.frontend.marks import marked
from canonic.learn.schedule import Memory, Schedule, passing, scheduled
from canonic.native import rule_scan
from canonic.native.recurrent import adaptive_run, is_matrix
from canonic.neurons.adaptive import ALIF, Adapted
from canonic.neurons.rules import Rule
from canonic.neurons.running import drawn

PopulationGradient = Callable[[Rule, Tensor, Tensor, nn.Module | None], Tensor]
"""What stands for the derivative of a whole population: from its rule, its currents and its spikes, both
``[time, batch, *shape]`` and the spikes without a graph, and its recurrence, to the spikes with one."""

Streams = tuple[Tensor, ...]
"""Of the spikes of a population, and of its membranes where they are wanted, ``[time, batch, *shape]``."""

FIXED = "fixed_"
"""What the names of buffers begin with that are fields of a rule, and are not trained."""

_Map = Callable[[Tensor], Tensor]
_MAPS: Mapping[str | None, tuple[_Map, _Map]] = {
    "unit": (torch.sigmoid, torch.logit),
    "positive": (torch.exp, torch.log),
    None: (torch.clone, torch.clone),
}
"""By the domain of a field: from what is trained to the field, and back."""


class Population(nn.Module):
    """Neurons of one rule. It is called in ``unroll`` or ``tick``, and keeps no state.

    Args:
        rule: how they move.
        gradient: what stands for their derivative; by default that of the rule's own steps, with its slope.
        trainable: fields of the rule that are trained. What is trained is the logit of a field in (0, 1], the logarithm
            of a positive one.
        shape: of each of them, and broadcasts against one sample: () is one for the layer. By default the field's.
        recurrent: from the spikes of the step before to currents that are added, ``[batch, *shape]`` to the same.
        membrane: whether ``Run.membranes`` has its membranes, the first of its state, after each step.

    Raises:
        CanonicError: if a field is unknown, cannot be trained, or does not have this shape.

    >>> from canonic.neurons.rules import LIF
    >>> neurons = Population(LIF(leak=0.5), trainable=("leak",), shape=(16, 1, 1))
    >>> {name: list(p.shape) for name, p in neurons.named_parameters()}
    {'trained.leak': [16, 1, 1]}
    """

    def __init__(
        self,
        rule: Rule,
        gradient: PopulationGradient | None = None,
        *,
        trainable: Sequence[str] = (),
        shape: Sequence[int] | None = None,
        recurrent: nn.Module | None = None,
        membrane: bool = False,
    ) -> None:
        super().__init__()
        _require_parts(rule, trainable, recurrent)
        self.base, self.gradient, self.recurrent, self.membrane = rule, gradient, recurrent, membrane
        self.trained = nn.ParameterDict({name: _free(rule, name, shape) for name in trainable})
        for field, value in _values(rule).items():
            if isinstance(value, Tensor) and field not in trainable:
                self.register_buffer(FIXED + field, value)

    @property
    def rule(self) -> Rule:
        """Its rule, with the fields as they are trained."""
        buffers = {name.removeprefix(FIXED): value for name, value in self._buffers.items()}
        values = {name: _MAPS[_domain(self.base, name)][0](p) for name, p in self.trained.items()}
        return replace(self.base, **buffers, **values) if buffers or values else self.base  # type: ignore[type-var]

    def forward(self, rows: Float[Tensor, "rows *shape"]) -> Float[Tensor, "rows_of_all_steps *shape"]:
        """Return the spikes of all steps for the currents of all, or for one that is the same at each.

        Raises:
            DataError: outside a schedule, if rows do not fit, or if a random rule has no seed in ``eval()``.
        """
        schedule, name = scheduled(self)
        if schedule.marks:
            return marked(rows, name)
        currents, rule = schedule.stream(rows, name), self.rule
        require_fields(rule, currents, name, whole=schedule.before is None)
        generator = schedule.generator(name, currents)
        draws = self._draws(rule, currents, generator, name)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.gradient is None):
            (spikes, *membranes), memory = self._run(rule, currents, draws, schedule, name)
        if self.gradient is not None and torch.is_grad_enabled():
            spikes = self.gradient(rule, currents, spikes, self.recurrent)
        schedule.after[name] = memory._replace(noise=None if generator is None else generator.get_state())
        schedule.spikes[name] = spikes
        schedule.membranes.update(zip([name], membranes, strict=False))
        if hasattr(rule, "loss") and schedule.before is None:  # of all steps together
            schedule.losses[name] = rule.loss(currents, spikes, draws)
        return spikes.flatten(0, 1)

    def _draws(
        self, rule: Rule, currents: Tensor, generator: torch.Generator | None, name: str
    ) -> Float[Tensor, "time batch *shape"] | None:
        """Return the numbers that a random rule decides by, drawn step by step."""
        if not rule.random or (generator is None and not self.training and getattr(rule, "expectation", False)):
            return None
        if generator is None and not self.training:
            raise DataError(f"population {name} is random and the network is in eval(): give seed= to the call")
        return drawn(currents, generator)

    def _run(
        self, rule: Rule, currents: Tensor, draws: Tensor | None, schedule: Schedule, name: str
    ) -> tuple[Streams, Memory]:
        """Return the spikes, the membranes where they are wanted, and what to go on from."""
        if schedule.before is None and self.recurrent is None and not self.membrane and hasattr(rule, "run"):
            return (rule.run(currents, draws),), Memory(())
        memory = schedule.remembered(name) or self._rest(rule, currents[0])
        if schedule.before is None and schedule.segment is None and (done := self._in_c(rule, currents)) is not None:
            return done
        parts, every = [], schedule.segment or len(currents)
        again = partial(_passing_again, schedule)
        for start in range(0, len(currents), every):
            part = (memory, currents[start : start + every], None if draws is None else draws[start : start + every])
            if schedule.segment and torch.is_grad_enabled():
                streams, memory = checkpoint(self._scan, rule, *part, use_reentrant=False, context_fn=again)
            else:
                streams, memory = self._scan(rule, *part)
            parts.append(streams)
        return (parts[0] if len(parts) == 1 else tuple(map(torch.cat, zip(*parts, strict=True)))), memory

    def _in_c(self, rule: Rule, currents: Tensor) -> tuple[Streams, Memory] | None:
        """Return what the scan gives, from a program that runs all steps from rest; None where there is none for it."""
        if type(rule) is not ALIF or (self.recurrent is not None and rule.sends == "membrane"):
            return None
        if self.recurrent is None:
            did = adaptive_run(rule, currents)
        elif is_matrix(self.recurrent, currents):
            did = adaptive_run(rule, currents, self.recurrent.weight)
        else:
            return None
        if did is None:
            return None
        sent = did.s if rule.sends == "spikes" else did.u
        last = Adapted(*(stream[-1] for stream in did))
        return (sent, did.u)[: 1 + self.membrane], Memory(last, None if self.recurrent is None else sent[-1])

    def _rest(self, rule: Rule, current: Tensor) -> Memory:
        """Return what it starts from."""
        return Memory(rule.rest(current), None if self.recurrent is None else torch.zeros_like(current))

    def _scan(self, rule: Rule, memory: Memory, currents: Tensor, draws: Tensor | None) -> tuple[Streams, Memory]:
        """Run the step of the rule over some steps."""
        did = rule_scan(rule, memory.state, currents, draws, self.recurrent, memory.sent, membrane=self.membrane)
        streams = (did.spikes,) if did.membranes is None else (did.spikes, did.membranes)
        return streams, Memory(did.state, did.sent)

    def extra_repr(self) -> str:
        """Return its rule."""
        return f"{self.base}"


def _require_parts(rule: object, trainable: object, recurrent: nn.Module | None) -> None:
    """Raise a CanonicError unless a population is made of a rule, names of fields, and what is no population."""
    if isinstance(rule, type) or not (is_dataclass(rule) and isinstance(rule, Rule)):
        raise CanonicError(
            f"the rule of a Population cannot be {rule!r}: take LIF(), or a dataclass with rest and step"
        )
    if isinstance(trainable, str):
        raise CanonicError(f"trainable holds names of fields, got {trainable!r}: write trainable=({trainable!r},)")
    if recurrent is not None and any(isinstance(each, Population) for each in recurrent.modules()):
        raise CanonicError(
            "recurrent= holds a Population, and is to be a function of the spikes of the step before: populations that "
            "come back to each other are a Loop"
        )


def _passing_again(schedule: Schedule) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return what stands around a part of a scan, and around that part when the backward pass runs it again."""
    return nullcontext(), passing(schedule)


def _values(rule: Rule) -> Mapping[str, object]:
    """Return the fields of a rule."""
    return {each.name: getattr(rule, each.name) for each in fields(rule)}  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    """Say whether a field is a number or a tensor of numbers."""
    return isinstance(value, float | int | Tensor) and not isinstance(value, bool)


def require_fields(rule: Rule, currents: Float[Tensor, "time batch *shape"], name: str, *, whole: bool) -> None:
    """Check that the fields of a rule are of the neurons of one sample, or of its steps, before anything is run.

    Args:
        rule: with its fields.
        currents: that its neurons get.
        name: of the population.
        whole: whether these are all steps.

    Raises:
        DataError: if one is not: it would be broadcast over samples, or over steps.
    """
    steps, sample = len(currents), currents.shape[2:]
    for each in fields(rule):  # type: ignore[arg-type]
        value, axes = getattr(rule, each.name), each.metadata.get("axes", 0)
        if not isinstance(value, Tensor) or (axes and not whole):
            continue
        if axes and list(value.shape) not in ([steps] * axes, [] if "domain" in each.metadata else None):
            raise DataError(
                f"{each.name} of {type(rule).__name__} in population {name} has the shape {list(value.shape)}, and "
                f"{steps} steps are run: it must be {[steps] * axes}, one for each step"
            )
        if not axes and not _fits(value.shape, sample):
            raise DataError(
                f"{each.name} of {type(rule).__name__} in population {name} has the shape {list(value.shape)}, which "
                f"does not broadcast against currents {list(sample)} a sample: give shape=() for one in all, or the "
                "channels"
            )


def _fits(field: Sequence[int], sample: Sequence[int]) -> bool:
    """Say whether a field broadcasts against one sample, and leaves its shape."""
    own = list(field)[::-1]
    return len(own) <= len(sample) and all(n in (1, of) for n, of in zip(own, list(sample)[::-1], strict=False))


def _domain(rule: Rule, name: str) -> str | None:
    """Return what a field may be: a key of ``_MAPS``."""
    return next(each.metadata.get("domain") for each in fields(rule) if each.name == name)  # type: ignore[arg-type]


def _free(rule: Rule, name: str, shape: Sequence[int] | None) -> nn.Parameter:
    """Return what is trained in place of a field."""
    kind, known = type(rule).__name__, [each for each, value in _values(rule).items() if _is_number(value)]
    if name not in known:
        raise CanonicError(f"{kind} has no field {name!r} that can be trained: it has {', '.join(known) or 'none'}")
    value = torch.as_tensor(getattr(rule, name), dtype=torch.get_default_dtype()).detach()
    free = _MAPS[_domain(rule, name)][1](value)
    if not free.isfinite().all():
        raise CanonicError(f"{name} of {kind} is {value.tolist()}, the end of its range: train it from inside, say 0.9")
    shape = value.shape if shape is None else tuple(shape)
    try:
        return nn.Parameter(free.expand(shape).clone())
    except RuntimeError as error:
        both = f"has the shape {list(value.shape)}, and shape= says {list(shape)}: give one that holds it"
        raise CanonicError(f"{name} of {kind} {both}") from error
