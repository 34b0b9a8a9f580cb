"""What must hold of a random network with one silent step under twelve digits, of several levels, and in int8."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import Tensor

from canonic import CSS, ConversionError, Settings, SpikingNetwork
from canonic.conversion.calibrate import calibrate
from canonic.conversion.convert import examine, spiking, told
from canonic.conversion.populations import set_codes
from canonic.conversion.quality import ENOUGH
from canonic.conversion.settings import resolve
from canonic.measure.baselines import eight_bits
from canonic.network.reference import reference
from tests.fuzz import Net
from tests.fuzz_oracle import LOST, SAMPLES, Wrong, reason, require, tensors

GRADED = CSS(8, 0, levels=8), CSS(4, 0, 4.0, levels=16), CSS(2, 0, 16.0, levels=64), CSS(8, 1, levels=2)
"""Members of the family: the next network gets the next."""
SILENCE = 1e-9
"""The least power of an output that an error is measured against."""
LAST = 4.0**-12
"""Power of an error of the last of twelve digits: an answer that is constant may be exact with eight, by chance."""
WHOLE = 1e-6
"""Power of the rounding of biases to whole numbers, which is all that int8 loses in an answer that is constant."""


def examine_codes(net: Net) -> str | None:
    """Convert a network, captured once, with T = 12 and k = 1 and in int8, and check both.

    Returns:
        The reason if it is refused, altogether or in int8; None if not.

    Raises:
        Wrong: if it is converted to something else than it is and nothing is said, or refused without a reason.
    """
    try:
        with_code = converter(net)
        eight, twelve, exact = (with_code(CSS(*code)) for code in ((8, 1), (12, 1), (8, 2)))
    except ConversionError as error:
        return reason(error)
    except Exception as error:
        raise Wrong(f"{type(error).__name__} is not one of ours: {error}") from error
    with torch.no_grad():
        require_as_good(net, eight, twelve)
        return examine_int8(net, exact)


def examine_digits(net: Net) -> str | None:
    """Convert a network with digits of several levels that answers after T steps, and in int8, and check both.

    Returns:
        The reason if it is refused, altogether or in int8; None if not.

    Raises:
        Wrong: if whole numbers lose more than eight bits must, or depend on who computes them.
    """
    code = GRADED[net.seed % len(GRADED)]
    try:
        snn = converter(net)(code)
    except ConversionError as error:
        return reason(error)
    with torch.no_grad():
        return examine_int8(net, snn)


def converter(net: Net) -> Callable[[CSS], SpikingNetwork]:
    """Return what converts a network with a code; capturing it, which all codes share, costs most."""
    settings = Settings(silent=None, **net.settings)
    examined = examine(net.build(), [net.inputs(SAMPLES)], settings.input, CSS())
    seen = calibrate(examined.graph, examined.data, first=examined.first)
    rules = resolve(settings, [node.name for node in examined.graph.populations])
    return lambda code: told(
        spiking(set_codes(examined.graph, code, rules), seen, code, settings, notes=examined.notes), seen, aloud=False
    )


def noise(found: Iterable[Tensor], wanted: Iterable[Tensor]) -> list[float]:
    """Return the power of the error of each output, in units of that of the output."""
    pairs = zip(found, wanted, strict=True)
    return [float((a - b).square().mean() / b.square().mean().clamp(min=SILENCE)) for a, b in pairs]


def require_as_good(net: Net, eight: SpikingNetwork, twelve: SpikingNetwork) -> None:
    """Twelve digits are as good as eight, and above 20 dB, or the conversion says that they are not."""
    x = net.inputs(SAMPLES)
    wanted = tensors(net.build()(x.clone()))
    before, after = (noise(tensors(snn(x)), wanted) for snn in (eight, twelve))
    for least, ours in zip(before, after, strict=True):
        bad = ours > max(10 ** (LOST / 10) * least, LAST) or ours > 10 ** (-ENOUGH / 10)
        require(not bad or twelve.record["notes"], f"silently worse with twelve digits: {ours:.3g}, not {least:.3g}")


def examine_int8(net: Net, snn: SpikingNetwork) -> str | None:
    """Whole numbers lose what eight bits must, and 6 dB at most beyond it; they are the same whoever computes them."""
    try:
        integer = snn.to_precision("int8")
    except ConversionError as error:
        _, where, why = str(error).partition("cannot be computed in whole numbers: ")
        return f"int8: {why.split(';')[0]}" if where else f"int8: {reason(error)}"
    x = net.inputs(32, seed=3)
    require_eight_bits(net, snn, integer, x)
    require_one_answer(integer, x[:5])
    return None


def require_eight_bits(net: Net, snn: SpikingNetwork, integer: SpikingNetwork, x: Tensor) -> None:
    """The error is at most that of fp32, of weights of eight bits, and of an input of eight bits, together and 6 dB.

    Eight bits reach as far as the inputs of the calibration did: canonic holds twice as much only where there is room.
    """
    largest = net.inputs(SAMPLES).abs().max()
    step = largest / 127
    rounded = replace(snn.graph, nodes=tuple(map(eight_bits, snn.graph.nodes)))
    model = net.build()
    wanted, found = tensors(model(x.clone())), tensors(integer(x))
    others = (
        tensors(snn(x)),
        reference(rounded, [x]),
        tensors(model((x.clamp(-largest, largest) / step).round() * step)),
    )
    least = zip(*(noise(other, wanted) for other in others), strict=True)
    for ours, bounds in zip(noise(found, wanted), least, strict=True):
        require(ours <= 10 ** (LOST / 10) * sum(bounds) + WHOLE, f"int8 loses too much: {ours:.3g}, not {bounds}")


def require_one_answer(integer: SpikingNetwork, x: Tensor) -> None:
    """Both schedulers and any batch give the same numbers."""
    together, alone = tensors(integer(x)), [tensors(integer(part)) for part in torch.split(x, 2)]
    for whole, ticks in zip(together, tensors(integer(x, scheduler="clocked")), strict=True):
        require(noise([ticks], [whole])[0] < 1e-10, "int8: schedulers differ")
    for whole, *parts in zip(together, *alone, strict=True):
        require(noise([torch.cat(parts)], [whole])[0] < 1e-10, "int8: samples see each other")
