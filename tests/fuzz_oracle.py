"""What must hold of every network: it is refused for a reason, or its spiking network is right in every part.

A converted network is compared with its model in steps, none of which needs a guess of how noise adds up:

1. The graph computes what the model computes (plain activations, float32), for fresh batches of one and of three.
2. Every node of the spiking network does its part, on the spikes that it is really given (float64): what a synapse,
   structure or function unit returns stands for the node's function of what its inputs stand for, to float rounding;
   with k = T a population is within half of its last digit of its activation, clipped to what its digits hold.
3. Thresholds are fit for their activations: the rounding and clipping of a channel is at most that of the rule "max".
4. Both schedulers give the same readout at every step, samples do not see each other, spikes are ternary.
5. Errors vanish with the digits: eight more digits take 30 dB off the error against the model with the same clipping.
6. The silent steps that "auto" chose lose at most 6 dB against k = T.

1 to 3 together say that the network is its model with every activation rounded to T digits, which is the claim.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from canonic import CSS, ConversionError, Settings, SpikingNetwork, convert
from canonic.conversion.thresholds import FRACTIONS
from canonic.network.apply import apply_whole
from canonic.network.graph import Node, Population
from canonic.network.layerwise import stream_of
from canonic.network.plan import Plan
from canonic.network.reference import activate
from tests.fuzz import Net

SAMPLES = 48
LOST = 6.0
"""Decibels that fewer silent steps than T may cost."""


class Wrong(AssertionError):
    """Raised when a converted network is not right, or a refusal is not one of ours."""


def require(holds: object, what: str) -> None:
    """Raise unless it holds."""
    if not holds:
        raise Wrong(what)


def examine(net: Net) -> str | None:
    """Convert a network and check it; return the reason if it is refused, None if it is converted.

    Raises:
        Wrong: if it is converted to something else than it is, or refused without a reason.
    """
    model, x = net.build(), net.inputs(SAMPLES)
    auto = net.silent == "auto"
    code = CSS(steps=net.digits, silent=1 if auto else net.silent)
    try:
        snn = convert(
            model, [x], code=code, settings=Settings(silent="auto" if auto else None, **net.settings), progress=False
        )
    except ConversionError as error:
        return reason(error)
    except Exception as error:
        raise Wrong(f"{type(error).__name__} is not one of ours: {error}") from error
    require(torch.equal(x, net.inputs(SAMPLES)), "the calibration data has been changed")
    with torch.no_grad():
        require_same(net, snn, model)
        require_sound(net, snn, x)
    return None


def reason(error: ConversionError) -> str:
    """Return the reason of a refusal, without names and numbers."""
    message = str(error)
    require("an error in canonic" not in message, message)
    lines = message.splitlines()
    if "cannot be converted" in lines[0]:
        require(len(lines) > 1 and "): " in lines[1] and ";" in lines[1], f"a refusal without a reason: {message}")
        operator = lines[1].split("(")[1].split(",")[0]
        return f"{operator}: {lines[1].split('): ', 1)[1].split(';')[0]}"[:120]
    require(len(message) > 40, f"a refusal without a reason: {message}")
    return message.split(" (at ")[0].replace(str(error.__cause__), "")[:120]


def tensors(tree: Any) -> list[Tensor]:
    """Return the outputs of a model or network as a list."""
    return pytree.tree_leaves(tree)


def distance(found: Tensor, wanted: Tensor) -> float:
    """Return the largest difference, in units of the largest number, or of 1e-3: the numbers inside are of order one.

    An output of zero may well come from 1 - 1, which float32 knows to 6e-8 only.
    """
    return float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-3))


def require_same(net: Net, snn: SpikingNetwork, model: torch.nn.Module) -> None:
    """The graph computes what the model does, in its form, on inputs that nobody has seen."""
    for samples in (3, 1):
        x = net.inputs(samples, seed=samples)
        wanted, found = model(x.clone()), snn.source(x)
        require(
            pytree.tree_structure(found) == pytree.tree_structure(wanted), f"the output has another form: {type(found)}"
        )
        for ours, theirs in zip(tensors(found), tensors(wanted), strict=True):
            require(ours.shape == theirs.shape, f"source: {list(ours.shape)} is not {list(theirs.shape)}")
            require(
                distance(ours, theirs) < 1e-3, f"source: {distance(ours, theirs):.3g} off with a batch of {samples}"
            )


def require_sound(net: Net, snn: SpikingNetwork, x: Tensor) -> None:
    """Every part of the spiking network does what it should, and so does the whole."""
    exact = double(snn)
    fresh = net.inputs(3, seed=3).double()
    for trace in snn.trace(x[:8]).values():
        require(bool((trace.spikes.abs() * (1 - trace.spikes.abs()) == 0).all()), "spikes are not ternary")
    ideal = with_digits(exact.plan, net.digits, net.digits, corrected=True)
    require_nodes(ideal, fresh)
    require_schedulers(exact, fresh)
    require_apart(exact, fresh)
    require_thresholds(ideal, x.double())
    require_vanishing(exact.plan, x[:16].double())
    if net.silent == "auto":
        require_silence(exact.plan, ideal, x.double())


def double(snn: SpikingNetwork) -> SpikingNetwork:
    """Return the network in float64, where rounding does not flip digits."""
    graph = snn.graph.map_tensors(lambda t: t.double() if t.is_floating_point() else t)
    return replace(snn, plan=replace(snn.plan, graph=graph))


def with_digits(plan: Plan, steps: int, silent: int, *, corrected: bool) -> Plan:
    """Return the plan with another code in every population, at the same thresholds."""
    assert isinstance(plan.code, CSS)
    code = replace(plan.code, steps=steps, silent=silent)

    def changed(node: Node) -> Node:
        if not isinstance(node, Population):
            return node
        tensors = {name: t for name, t in node.tensors.items() if corrected or name != "start"}
        return replace(node, tensors=tensors, neurons=replace(node.neurons, code=code))

    graph = replace(plan.graph, nodes=tuple(changed(node) for node in plan.graph.nodes))
    return replace(plan, graph=graph, code=code)


def require_schedulers(snn: SpikingNetwork, x: Tensor) -> None:
    """Both schedulers give the same readout at every step."""
    layerwise, clocked = snn.readout(x), snn.readout(x, scheduler="clocked")
    for a, b in zip(tensors(layerwise), tensors(clocked), strict=True):
        require(a.shape == b.shape and a.shape[0] == snn.total_steps, "schedulers: another shape")
        require(a.isfinite().all(), "schedulers: a readout is not finite")
        require((a - b).abs().max() <= 1e-6 * (1 + a.abs().max()), f"schedulers differ by {(a - b).abs().max():.3g}")


def require_apart(snn: SpikingNetwork, x: Tensor) -> None:
    """A sample's spikes do not depend on the others of its batch."""
    for all_of_them, alone in zip(tensors(snn(x)), tensors(snn(x[:1])), strict=True):
        require((all_of_them[:1] - alone).abs().max() <= 1e-6 * (1 + alone.abs().max()), "samples see each other")


def walk(plan: Plan, x: Tensor, visit: Callable[[Node, list[Tensor], Tensor], None]) -> list[Tensor]:
    """Visit all nodes with their input streams and their stream; return what the outputs stand for."""
    streams = {plan.graph.inputs[0]: x.unsqueeze(0)}
    for node in plan.graph.nodes:
        if node.kind != "input":
            given = [streams[name] for name in node.inputs]
            streams[node.name] = stream_of(plan, node, given)
            visit(node, given, streams[node.name])
    return [plan.code.decode(streams[name]) for name in plan.graph.outputs]


def require_nodes(plan: Plan, x: Tensor) -> None:
    """Every node stands for its function of what its inputs stand for; with k = T."""

    def visit(node: Node, given: list[Tensor], stream: Tensor) -> None:
        values, found = [plan.code.decode(s) for s in given], plan.code.decode(stream)
        if not isinstance(node, Population):
            wanted = apply_whole(node, values, len(x))
            if wanted.isfinite().all():
                far = float((found - wanted).abs().max())
                scale = 1 + float(wanted.abs().max()) + max(float(v.abs().max()) for v in values)
                require(far <= 1e-7 * scale, f"{node.name} ({node.operator}) is {far:.3g} off")
            return
        code = node.neurons.css
        assert code is not None
        start = code.beta * node.tensors.get("start", torch.zeros(()))
        wanted = (values[0] + start).clamp(0 if not node.neurons.signed else -code.largest, code.largest)
        far = float((found - wanted).abs().max())
        require(far <= code.lsb * 0.500001, f"population {node.name} is {far / code.lsb:.3g} digits off")

    walk(plan, x, visit)


def plain(plan: Plan, x: Tensor, population: Callable[[Population, Tensor], Tensor]) -> list[Tensor]:
    """Return the outputs of the network of plain values, with this function for its populations."""
    values = {plan.graph.inputs[0]: x}
    for node in plan.graph.nodes:
        if node.kind != "input":
            given = [values[name] for name in node.inputs]
            if isinstance(node, Population):
                values[node.name] = population(node, given[0])
            else:
                values[node.name] = apply_whole(node, given, len(x))
    return [values[name] for name in plan.graph.outputs]


def require_thresholds(plan: Plan, x: Tensor) -> None:
    """The rounding and clipping of a channel is at most that of a threshold from its largest activation.

    The largest number of the code is at most ``FRACTIONS[0]`` times that, and half of the last digit is ``top 2^-T``
    over 2; the rule that was used has the least squared error, but for the bins of its histogram. What lies below the
    rounding of the float32 that it was calibrated in, 1e-7 of theta, was not there to be seen.
    """
    code = plan.code
    widest = float(FRACTIONS[0])

    def population(node: Population, z: Tensor) -> Tensor:
        wanted = activate(node, z)
        rounded = code.quantise(wanted)
        axes = [0, *(axis + 1 for axis, size in enumerate(node.tensors["theta"].shape) if size == 1)]
        error = (rounded - wanted).square().mean(axes).sqrt()
        bound = wanted.abs().amax(axes) * (widest * 2.0**-code.steps + 2.0**-10)
        require((error <= bound + 1e-7).all(), f"the thresholds of {node.name} are not fit for its activations")
        return wanted

    plain(plan, x, population)


def clipped(plan: Plan) -> Callable[[Population, Tensor], Tensor]:
    """Return what a population would be with infinitely many digits: clipped, not rounded."""
    top = plan.code.largest
    return lambda node, z: z.clamp(-top if node.neurons.signed else 0, top)


def error_of(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> list[float]:
    """Return the root mean square error of each output, in units of that of the output."""
    return [
        float((a - b).square().mean().sqrt() / b.square().mean().sqrt().clamp(min=1e-9))
        for a, b in zip(found, wanted, strict=True)
    ]


def nothing(node: Node, given: list[Tensor], stream: Tensor) -> None:
    """Visit nothing."""


def require_vanishing(plan: Plan, x: Tensor) -> None:
    """Eight more digits take 30 dB off the error of every output, or leave less than -80 dB."""
    errors = []
    for steps in (10, 18):
        ideal = with_digits(plan, steps, steps, corrected=False)
        errors.append(error_of(walk(ideal, x, nothing), plain(ideal, x, clipped(ideal))))
    for before, after in zip(*errors, strict=True):
        require(after <= max(before * 10**-1.5, 1e-4), f"errors do not vanish: {before:.3g} -> {after:.3g}")


def require_silence(plan: Plan, ideal: Plan, x: Tensor) -> None:
    """The silent steps that auto chose lose at most so many decibels against k = T."""
    source = plain(plan, x, activate)
    chosen, best = error_of(walk(plan, x, nothing), source), error_of(walk(ideal, x, nothing), source)
    for ours, least in zip(chosen, best, strict=True):
        limit = least * 10 ** (LOST / 20)
        require(ours <= max(limit, 1e-4), f"silent steps cost too much: {ours:.3g} for {least:.3g}")
