"""Networks of SpikingJelly and snnTorch here, and ours there: equal spikes, and how far gradients are apart.

``PYTHONPATH=src .venv-peers/bin/python -m benchmarks.peers.interop``: weights and input are the same; each network is
exchanged and, exchanged back, run by its own library again. Times are of no interest, and none is taken.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import snntorch
import torch
from snntorch import surrogate as slopes
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from canonic.learn import Integrator, Population, unroll
from canonic.learn.interop import from_snntorch, from_spikingjelly, to_snntorch, to_spikingjelly

STEPS, BATCH = 6, 8
Run = Callable[[nn.Module, Tensor], Tensor]
Exchange = Callable[[nn.Module], nn.Module]


def jelly(make: Callable[[], nn.Module]) -> nn.Module:
    """Return a convolutional network of SpikingJelly, all steps at once."""
    net = nn.Sequential(
        layer.SeqToANNContainer(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)),
        make(),
        layer.MaxPool2d(2),
        layer.Flatten(),
        layer.Linear(4 * 16, 12),
        make(),
        layer.Linear(12, 5),
    )
    functional.set_step_mode(net, "m")
    return net


def torched(make: Callable[[], nn.Module]) -> nn.Module:
    """Return a network of snnTorch that is called once a step."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 20), make(), nn.Linear(20, 12), make(), nn.Linear(12, 5))


def at_once(net: nn.Module, x: Tensor) -> Tensor:
    """Run a network of SpikingJelly."""
    functional.reset_net(net)
    output: Tensor = net(x)
    return output


def stepped(net: nn.Module, x: Tensor) -> Tensor:
    """Run a network of snnTorch, from rest."""
    for module in net.modules():
        if isinstance(module, snntorch.SpikingNeuron):
            module.reset_mem()
    return torch.stack([net(step) for step in x])


def ours(net: nn.Module, x: Tensor) -> Tensor:
    """Run a network with populations."""
    return unroll(net, x).output


def did(net: nn.Module, run: Run, x: Tensor, kinds: tuple[type, ...]) -> tuple[list[Tensor], dict[str, Tensor], Tensor]:
    """Return the spikes of all neurons, the gradients of all weights by name and order, and the output."""
    found: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _m, _x, sent: found.append(sent.detach()))
        for module in net.modules()
        if isinstance(module, kinds)
    ]
    torch.manual_seed(0)
    output = run(net, x)
    for hook in hooks:
        hook.remove()
    net.zero_grad()
    torch.autograd.backward((output * torch.rand_like(output)).sum())
    weighty = (nn.Linear, nn.Conv2d, nn.BatchNorm2d)
    gradients = {
        f"{place}.{name}": parameter.grad.clone()
        for place, module in enumerate(part for part in net.modules() if isinstance(part, weighty))
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
    return found, gradients, output.detach()


def apart(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """Return the largest difference of gradients, over the largest of each."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max() / one[name].abs().max().clamp_min(1e-30)) for name in one)


def row(theirs: nn.Module, run: Run, here: Exchange, there: Exchange) -> dict[str, float]:
    """Return how far a network is from itself, exchanged, and exchanged back."""
    x = 2 * torch.rand(STEPS, BATCH, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    neurons = (neuron.BaseNode, neuron.PSN, snntorch.SpikingNeuron)
    mine = here(theirs)
    parts = {name: module for name, module in mine.named_modules() if isinstance(module, Population)}
    fire = [name for name, module in parts.items() if not isinstance(module.rule, Integrator)]
    sent = torch.cat([unroll(mine, x).spikes[name].flatten() for name in fire])
    spikes, gradients, output = did(theirs, run, x, neurons)
    _, own, answer = did(mine, ours, x, ())
    again, returned, _ = did(there(mine), run, x, neurons)
    return {
        "spikes": int(sent.sum()),
        "unequal spikes": int((_flat(spikes, len(fire)) != sent).sum()),
        "unequal spikes, back": int((_flat(again, len(fire)) != sent).sum()),
        "gradients apart": apart(gradients, own),
        "gradients apart, back": apart(gradients, returned),
        "outputs apart": float((output - answer).abs().max()),
    }


def _flat(sent: list[Tensor], populations: int) -> Tensor:
    """Return the spikes of each population over time: a network that is stepped gives them step by step."""
    if len(sent) > populations:
        sent = [torch.stack(sent[place::populations]) for place in range(populations)]
    return torch.cat([part.flatten() for part in sent])


def cases() -> dict[str, dict[str, float]]:
    """Return a row of each kind of neurons."""
    jellies = {
        "IFNode": partial(neuron.IFNode, 1.0, 0.0, surrogate.ATan(), step_mode="m"),
        "IFNode, soft": partial(neuron.IFNode, 1.0, None, surrogate.ATan(), step_mode="m"),
        "LIFNode": partial(neuron.LIFNode, 3.0, step_mode="m", v_threshold=0.4),
        "LIFNode, soft, input undecayed, reset detached": partial(
            neuron.LIFNode, 2.5, False, 1.0, None, surrogate.PiecewiseQuadratic(2.0), True, "m"
        ),
        "LIFNode, reset to -0.2": partial(neuron.LIFNode, 2.0, True, 0.4, -0.2, step_mode="m"),
        "LIFNode, Erf": partial(neuron.LIFNode, 2.0, False, surrogate_function=surrogate.Erf(), step_mode="m"),
        "ParametricLIFNode": partial(neuron.ParametricLIFNode, 3.0, v_threshold=0.4, step_mode="m"),
        "ParametricLIFNode, input undecayed": partial(neuron.ParametricLIFNode, 3.0, False, step_mode="m"),
        "PSN": partial(neuron.PSN, STEPS, surrogate.ATan()),
    }
    stepwise = {
        "Leaky": partial(snntorch.Leaky, 0.8, init_hidden=True),
        "Leaky, zero": partial(snntorch.Leaky, 0.8, init_hidden=True, reset_mechanism="zero"),
        "Leaky, learned": partial(snntorch.Leaky, 0.7, 0.6, init_hidden=True, learn_beta=True, learn_threshold=True),
        "Leaky, fast sigmoid": partial(snntorch.Leaky, 0.8, spike_grad=slopes.fast_sigmoid(), init_hidden=True),
        "Synaptic": partial(snntorch.Synaptic, 0.6, 0.8, init_hidden=True),
    }
    found = {}
    for name, make in jellies.items():
        torch.manual_seed(0)
        found[f"SpikingJelly {name}"] = row(jelly(make), at_once, from_spikingjelly, to_spikingjelly)
    for name, make in stepwise.items():
        torch.manual_seed(0)
        found[f"snnTorch {name}"] = row(torched(make), stepped, from_snntorch, to_snntorch)
    return found


def main() -> None:
    """Print the rows, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {"command": "python -m benchmarks.peers.interop", "rows": cases()}
    print(json.dumps(found, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
