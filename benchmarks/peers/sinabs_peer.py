"""sinabs' converter (``sinabs.from_torch.from_model``) on the small networks.

from_model: the network as it is, ``from_model(network, batch_size=64)``: threshold 1, integrate-and-fire neurons that
    may fire several times a step, membranes of at least -1, no count of operations. The input is repeated at every
    step, batch and time in one axis, and the answer is the mean output so far. That is kinder than the Bernoulli
    spikes of the tutorial, whose noise is left out. ``add_spiking_output`` stays off: a spiking layer at the end
    would lose the negative half of the answer.
normalized: what the page on weight scaling recommends: ``sinabs.utils.normalize_weights`` (99th percentile) with the
    calibration batch, then ``from_model``, with the first layer's weights scaled up by the factor of 1, 2, 5 and 10
    that is best on 64 of the calibration inputs after 32 steps. The last layer's weights, which are not normalised,
    take the scale back. It needs a chain whose direct children are all its layers and ReLUs, and is made for layers
    without biases: it scales a bias like the weights beside it, whatever the layers before were scaled by. "before
    conversion" is what that alone does to the answer.
"""

import json

from sinabs.from_torch import from_model
from sinabs.layers import IAFSqueeze
from sinabs.utils import normalize_weights
from torch import Tensor, nn

from benchmarks.peers.probe import STEPS, Probe, Record, errors_of_means, survey
from benchmarks.small_networks import build, relative_error

FACTORS = (1, 2, 5, 10)


def plain(_name: str, model: nn.Module, _calibration: Tensor, test: Tensor) -> Record:
    """Convert the network as it is."""
    wanted = model(test)
    return {"error": errors_of_means(respond(model, test, max(STEPS)), wanted), **probed(model, test)}


def normalized(name: str, model: nn.Module, calibration: Tensor, test: Tensor) -> Record:
    """Convert with normalised weights and the best scale of the first layer."""
    pairs = chain(model)
    if not pairs:
        raise ValueError("not applicable: normalize_weights takes a chain of layers and ReLUs that are direct children")
    wanted, some = model(test), calibration[: len(test)]
    candidates = {factor: rescaled(build(name), pairs, calibration, factor) for factor in FACTORS}
    loss = {f: relative_error(respond(m, some, 32).mean(0), model(some)) for f, m in candidates.items()}
    best = min(loss, key=lambda factor: loss[factor])
    record = {"error": errors_of_means(respond(candidates[best], test, max(STEPS)), wanted)}
    before = relative_error(candidates[best](test), wanted)
    return record | probed(candidates[best], test) | {"first layer times": best, "before conversion": before}


def respond(model: nn.Module, test: Tensor, steps: int) -> Tensor:
    """Convert and return the output at every step, ``[steps, batch, ...]``."""
    snn = from_model(model, batch_size=len(test)).spiking_model
    flat = test.unsqueeze(1).expand(-1, steps, *test.shape[1:]).flatten(0, 1)
    outputs: Tensor = snn(flat).unflatten(0, (len(test), steps)).transpose(0, 1)
    return outputs


def probed(model: nn.Module, test: Tensor) -> Record:
    """Return what runs outside the neurons, and whether they spike, in 32 steps."""
    snn = from_model(model, batch_size=len(test)).spiking_model
    probe = Probe(snn, (IAFSqueeze,))
    with probe:
        snn(test.repeat_interleave(32, 0))
    return probe.record()


def chain(model: nn.Module) -> list[tuple[str, str]]:
    """Return each ReLU of a chain behind the layer that drives it, (layer, relu); none if the model is no chain."""
    pairs, driver = [], ""
    if not isinstance(model, nn.Sequential) or any(list(child.children()) for child in model.children()):
        return []
    for name, child in model.named_children():
        if isinstance(child, nn.ReLU):
            pairs.append((driver, name))
        elif list(child.parameters()):
            driver = name
    return pairs


def rescaled(model: nn.Module, pairs: list[tuple[str, str]], calibration: Tensor, factor: int) -> nn.Module:
    """Return the network with normalised weights, the first layer's scaled up, and the scale taken back at the end."""
    drivers, relus = [name for name, _ in pairs], [name for _, name in pairs]
    weights = [model.get_parameter(f"{name}.weight") for name in drivers]
    before = [float(weight.norm()) for weight in weights]
    normalize_weights(model, calibration, output_layers=relus, param_layers=drivers)
    weights[0].mul_(factor)
    last = [layer for layer in model.children() if isinstance(layer, nn.Linear)][-1]
    for weight, norm in zip(weights, before, strict=True):
        last.weight.mul_(norm / float(weight.norm()))
    return model


def main() -> None:
    """Print one JSON object: way, network, record."""
    print(json.dumps({"sinabs": survey(plain), "sinabs (normalized)": survey(normalized)}))


if __name__ == "__main__":
    main()
