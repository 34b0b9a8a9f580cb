"""Files of NIR in the readers of others: ``python -m benchmarks.peers.nir_peer FOLDER``, in their environment.

FOLDER has for each network a ``.nir`` and a ``.npz`` with the samples ``x`` and the spikes of its populations. A file
is read by the public call of each tool, run step by step, and every spike compared. What a tool leaves out of a file is
put right here, and said in the record:

* sinabs gives neurons a floor and several spikes a step: they are told to have neither, what they start from, and LIF
  the leak and the reset.
* Norse takes no resistance: thresholds are divided by it. Its IF neurons are reset to a number: they are given its
  other reset, and what they start from.
* snnTorch makes of IF neurons that leak: they are told not to, what they start from, and to be reset with the next
  step.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import Tensor, nn

Record = dict[str, Any]
DT = 1e-4


def in_sinabs(graph: Any, x: Tensor, steps: int) -> dict[str, Tensor]:
    """Return the spikes of all populations, ``[steps, batch, ...]``."""
    from sinabs.activation import MembraneReset, SingleSpike
    from sinabs.nir import from_nir

    model = from_nir(graph, batch_size=len(x))
    for name, layer in neurons(graph, model):
        layer.min_v_mem, layer.spike_fn = None, SingleSpike
        layer.init_state_with_shape((len(x), *graph.nodes[name].v_threshold.shape))
        layer.v_mem = started(graph.nodes[name], len(x))
        if isinstance(graph.nodes[name], nir.LIF):
            layer.reset_fn, layer.train_alphas = MembraneReset(), True
            layer.alpha_mem, layer.alpha_syn = 1 - DT / torch.tensor(graph.nodes[name].tau), None
    with torch.no_grad():
        found = seen(graph, model, lambda: model(x.repeat_interleave(steps, 0)))
    return {name: torch.cat(parts).view(len(x), steps, -1).transpose(0, 1) for name, parts in found.items()}


def in_norse(graph: Any, x: Tensor, steps: int) -> dict[str, Tensor]:
    """Return the spikes of all populations, ``[steps, batch, ...]``."""
    from norse.torch import from_nir
    from norse.torch.functional.iaf import IAFFeedForwardState
    from norse.torch.functional.reset import reset_subtract
    from norse.torch.functional.threshold import threshold

    def soft(given: Tensor, state: Any, p: Any, dt: float) -> tuple[Tensor, Any]:  # noqa: ARG001 - as Norse calls it
        v = state.v + given
        spikes = threshold(v - p.v_th, p.method, p.alpha)
        return spikes, IAFFeedForwardState(reset_subtract(spikes, v, p.v_reset, p.v_th))

    model = from_nir(graph, ignore_warnings=True, dt=DT)
    for name, layer in neurons(graph, model):
        layer.p = layer.p._replace(v_th=layer.p.v_th / torch.tensor(graph.nodes[name].r))
        if isinstance(graph.nodes[name], nir.IF):
            begin = IAFFeedForwardState(started(graph.nodes[name], len(x)))
            layer.activation, layer.state_fallback = soft, lambda _, begin=begin: begin
    return stepped(graph, model, x, steps)


def in_snntorch(graph: Any, x: Tensor, steps: int) -> dict[str, Tensor]:
    """Return the spikes of all populations, ``[steps, batch, ...]``."""
    from snntorch.import_nir import import_from_nir

    model = import_from_nir(graph)
    for name, layer in neurons(graph, model):
        if isinstance(graph.nodes[name], nir.IF):
            layer.beta, layer.init_hidden, layer.reset_delay = torch.tensor(1.0), True, True
            layer.mem = started(graph.nodes[name], len(x))
    return stepped(graph, model, x, steps)


def stepped(graph: Any, model: nn.Module, x: Tensor, steps: int) -> dict[str, Tensor]:
    """Run a model step by step, with its state passed and returned."""

    def run() -> None:
        state = None
        for _ in range(steps):
            _, state = model(x, state)

    with torch.no_grad():
        return {name: torch.stack(parts) for name, parts in seen(graph, model, run).items()}


def neurons(graph: Any, model: nn.Module) -> list[tuple[str, Any]]:
    """Return the layers of a model that are populations, by the names of their nodes."""
    modules = dict(model.named_modules())
    return [(name, modules[name]) for name, node in graph.nodes.items() if isinstance(node, nir.IF | nir.LIF)]


def started(node: Any, batch: int) -> Tensor:
    """Return what the membranes of a population start from, ``[batch, *shape]``."""
    potential = torch.tensor(node.metadata.get("canonic.potential", np.zeros_like(node.v_threshold)))
    return potential.expand(batch, *potential.shape).clone()


def seen(graph: Any, model: nn.Module, run: Callable[[], object]) -> dict[str, list[Tensor]]:
    """Return what the populations of a model send while it runs."""
    found: dict[str, list[Tensor]] = {name: [] for name, _ in neurons(graph, model)}

    def keep(name: str) -> Callable[..., None]:
        return lambda _layer, _given, sent: found[name].append(sent[0] if isinstance(sent, tuple) else sent)

    for name, layer in neurons(graph, model):
        layer.register_forward_hook(keep(name))
    run()
    return found


TOOLS = {"sinabs": in_sinabs, "Norse": in_norse, "snnTorch": in_snntorch}


def compared(path: Path, tool: str) -> Record:
    """Return how many of the spikes of a network a tool sends, and how many it does not, or sends beside them."""
    with np.load(path.with_suffix(".npz")) as file:
        wanted = {name: file[name] for name in file.files}
    x = torch.tensor(wanted.pop("x"))
    try:
        found = TOOLS[tool](nir.read(path), x, len(next(iter(wanted.values()))))
        unlike = sum(
            int((found[name].numpy().reshape(spikes.shape) != spikes).sum()) for name, spikes in wanted.items()
        )
    except Exception as error:  # noqa: BLE001 - whatever a tool says is the result
        return {"refused": f"{type(error).__name__}: {error}"[:200]}
    return {"spikes": sum(int(spikes.sum()) for spikes in wanted.values()), "unlike": unlike}


def main() -> None:
    """Print the records of all tools and networks as JSON."""
    paths = sorted(Path(sys.argv[1]).glob("*.nir"))
    print(json.dumps({tool: {path.stem: compared(path, tool) for path in paths} for tool in TOOLS}))


if __name__ == "__main__":
    main()
