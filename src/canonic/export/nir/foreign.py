"""Graphs of NIR by others as an ordinary module with populations, to be trained, run, and made a network.

Neurons of NIR move in continuous time. Here they move as its readers move them, by forward Euler in steps of ``dt``
(Pedersen et al. 2024): ``v = (1 - dt / tau) v + (dt / tau) R I``; IF and I add ``R I`` at each step.
"""

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from canonic.errors import ExportError, StorageError
from canonic.export.nir.key import DT, KEY, Array, meaning
from canonic.export.nir.raw import Group, read_raw
from canonic.learn import LIF, Integrator, Population
from canonic.neurons.rules import Rule


class Scale(nn.Module):
    """Each element times a factor of its own."""

    def __init__(self, factor: Tensor) -> None:
        super().__init__()
        self.factor = nn.Parameter(factor)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``factor * x``."""
        return self.factor * x


class Wired(nn.Module):
    """Modules that read the sums of what others send, in the order of their names.

    Args:
        parts: by the names of their nodes.
        sources: what each reads.
        output: the node whose stream is the answer.
    """

    def __init__(self, parts: Mapping[str, nn.Module], sources: Mapping[str, Sequence[str]], output: str) -> None:
        super().__init__()
        self.places = {name: re.sub(r"\W", "_", name) for name in parts}
        self.parts = nn.ModuleDict({self.places[name]: part for name, part in parts.items()})
        self.sources, self.output = sources, output

    def forward(self, x: Tensor) -> Tensor:
        """Return what the output reads."""
        sent: dict[str, Tensor] = {}
        for name, place in self.places.items():
            read = [sent[source] for source in self.sources[name]]
            sent[name] = self.parts[place](torch.stack(read).sum(0) if len(read) > 1 else read[0] if read else x)
        return sent[self.output]


def from_nir(path: str | PathLike[str], *, reset: str = "hard", dt: float = DT) -> nn.Module:
    """Return the module that a file of NIR describes: ``canonic.learn.as_network`` makes a network of it.

    Args:
        path: of the file.
        reset: of its neurons. NIR knows "hard" alone, to a number; much of what is written as NIR was trained "soft".
        dt: seconds of a step.

    Raises:
        StorageError: if there is no such file, it is damaged, of another version, or not to be trusted.
        ExportError: if there is no equal of a node here; the message names all of them.
    """
    graph = read_raw(path)
    try:
        nodes, edges = graph["nodes"], [(str(a), str(b)) for a, b in graph["edges"]]
        sources: dict[str, list[str]] = {name: [] for name in nodes}
        for before, name in edges:
            sources[name].append(before)
            _ = nodes[before]
        return _wired(nodes, sources, reset, dt)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        if isinstance(error, ExportError):
            raise
        raise StorageError(f"{path} is damaged ({type(error).__name__}: {error}): write it again") from None


def _wired(nodes: Group, sources: dict[str, list[str]], reset: str, dt: float) -> nn.Module:
    loops = _loops(nodes, sources)
    parts: dict[str, nn.Module] = {}
    refused: dict[str, str] = {}
    for name in _ordered({n: [s for s in own if s not in loops] for n, own in sources.items() if n not in loops}):
        back = next((nodes[loop] for loop in loops if loop in sources[name]), None)
        try:
            parts[name] = _part(nodes[name], reset, dt, None if back is None else _linear(back))
        except ExportError as error:
            refused[name] = str(error)
    ends = {kind: [name for name, node in nodes.items() if node["type"] == kind] for kind in ("Input", "Output")}
    refused.update({kind: f"there are {len(own)} of them" for kind, own in ends.items() if len(own) != 1})
    if refused:
        told = "; ".join(f"{name}: {why}" for name, why in refused.items())
        raise ExportError(
            f"the graph of NIR has no equal here ({told}): leave these nodes out, or write them otherwise"
        )
    kept = {name: [s for s in sources[name] if s not in loops] for name in parts}
    return Wired(parts, kept, ends["Output"][0])


def _loops(nodes: Group, sources: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the matrices that lead the spikes of a population back to it."""
    back = {name for name, node in nodes.items() if node["type"] in ("Linear", "Affine") and len(sources[name]) == 1}
    return {name for name in back if name in sources[sources[name][0]]}


def _ordered(sources: Mapping[str, Sequence[str]]) -> list[str]:
    """Return names so that each comes behind all that it reads."""
    order: dict[str, None] = {}
    while len(order) < len(sources):
        ready = [n for n, read in sources.items() if n not in order and all(s in order for s in read)]
        if not ready:
            left = ", ".join(sorted(set(sources) - set(order)))
            raise ExportError(f"the graph of NIR has a cycle that is no matrix of one population: {left}")
        order.update(dict.fromkeys(ready))
    return list(order)


def _part(node: Group, reset: str, dt: float, back: nn.Module | None) -> nn.Module:
    """Return the module of a node; raise an ExportError that says why there is none."""
    kind = node["type"]
    if (other := meaning(node)) in ("move", "maximum"):
        raise ExportError(f"{kind} that is a {other}, by the key {KEY!r}, which load_nir reads")
    if kind in _NEURONS:
        return _neurons(node, reset, dt, back)
    if kind in ("Input", "Output"):
        return nn.Identity()
    if kind in ("Linear", "Affine"):
        return _linear(node)
    if kind in ("Conv1d", "Conv2d"):
        return _convolution(node)
    if kind in ("AvgPool2d", "SumPool2d"):
        kernel, stride, padding = (_sizes(node[name], 2) for name in ("kernel_size", "stride", "padding"))
        mean, count = nn.AvgPool2d(kernel, stride, padding), torch.tensor(float(np.prod(kernel)))
        return mean if kind == "AvgPool2d" else nn.Sequential(mean, Scale(count))
    if kind == "Scale":
        return Scale(_tensor(node["scale"]))
    if kind == "Flatten":
        start, end = int(node["start_dim"]), int(node["end_dim"])
        return nn.Flatten(start + 1 if start >= 0 else start, end + 1 if end >= 0 else end)
    raise ExportError(f"{kind} is no map and no neuron that is known here")


def _linear(node: Group) -> nn.Module:
    weight = _tensor(node["weight"])
    made = nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in node)
    return _filled(made, weight, node)


def _convolution(node: Group) -> nn.Module:
    weight, axes = _tensor(node["weight"]), 1 if node["type"] == "Conv1d" else 2
    spread = {name: _sizes(node[name], axes) for name in ("stride", "padding", "dilation")}
    groups, kernel, kind = int(node["groups"]), _sizes(weight.shape[2:], axes), (nn.Conv1d if axes == 1 else nn.Conv2d)
    made = kind(weight.shape[1] * groups, weight.shape[0], kernel, groups=groups, **spread)
    return _filled(made, weight, node)


def _sizes(value: Any, axes: int) -> Any:
    return value if isinstance(value, str) else tuple(int(v) for v in np.broadcast_to(value, axes))


def _filled(made: Any, weight: Tensor, node: Group) -> nn.Module:
    """Return a module with the weights of a node."""
    with torch.no_grad():
        made.weight.copy_(weight)
        if made.bias is not None:
            made.bias.copy_(_tensor(node["bias"]) if "bias" in node else torch.zeros(len(weight)))
    module: nn.Module = made
    return module


_NEURONS = ("IF", "LIF", "I", "LI", "CubaLIF", "CubaLI")


def _neurons(node: Group, reset: str, dt: float, back: nn.Module | None) -> nn.Module:
    """Return neurons, behind the gain of their current and behind their synapse, where they have one."""
    kind, chain = node["type"], []
    for name in ("v_leak", "v_reset"):
        if name in node and np.any(node[name]):
            raise ExportError(f"{kind} with {name} other than 0")
    if kind.startswith("Cuba"):
        chain += _scaled(node["w_in"] * dt / node["tau_syn"])
        chain.append(Population(Integrator(leak=_leak(node["tau_syn"], dt))))
    tau = node.get("tau_mem", node.get("tau"))
    chain += _scaled(node["r"] if tau is None else node["r"] * dt / tau)
    leak = 1.0 if tau is None else _leak(tau, dt)
    rule: Rule = Integrator(leak=leak)
    if "v_threshold" in node:
        rule = LIF(leak=leak, theta=_one(node["v_threshold"]), reset=reset)
    if back is not None and chain:
        raise ExportError(f"{kind} whose spikes come back, with a gain of its current")
    neurons = Population(rule, recurrent=back)
    return nn.Sequential(*chain, neurons) if chain else neurons


def _leak(tau: Array, dt: float) -> float | Tensor:
    """Return what is left of a membrane after a step."""
    leak = 1 - dt / tau.astype(np.float64)
    if not np.all((leak > 0) & (leak <= 1)):
        raise ExportError(f"a time constant that is not longer than a step of {dt:g} s: give another dt=")
    return _one(leak)


def _scaled(gain: Array) -> list[nn.Module]:
    """Return what multiplies by a gain; nothing where that is 1."""
    return [] if np.allclose(gain, 1, rtol=1e-6) else [Scale(_tensor(gain))]


def _one(values: Array) -> float | Tensor:
    """Return a number where all are the same."""
    return float(values.flat[0]) if values.size and np.all(values == values.flat[0]) else _tensor(values)


def _tensor(values: Array) -> Tensor:
    return torch.tensor(values, dtype=torch.get_default_dtype())
