"""Networks as NIR, read by others: ``python -m benchmarks.export --peers .venv-peers/bin/python`` (make bench-export).

Two things are asked. Does an interpreter of numpy, which reads the file alone, send the same spikes as the network, for
trained ResNets of CIFAR-10 (in float64, so that no digit hangs on the order of a sum)? Do the readers of sinabs, Norse
and snnTorch, for networks of plain nodes? Writes benchmarks/results/export.json.
"""

import argparse
import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.nir_interpreter import Network
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.peers.run import ROOT, environment
from canonic.codes import CSS, Weighted, named
from canonic.conversion import convert
from canonic.datasets import sample
from canonic.export.nir import save_nir
from canonic.learn import LIF, Population, as_network
from canonic.network import SpikingNetwork

RESULTS = ROOT / "benchmarks" / "results" / "export.json"
CALIBRATION = 200
CODES = {"css": CSS(), "css, 8 levels, no silent step": CSS(silent=0, levels=8), "rate": named("rate", steps=16)}


def main() -> None:
    """Write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="python of the environment of the peers")
    parser.add_argument("--networks", nargs="*", default=["resnet20", "resnet56"])
    arguments = parser.parse_args()
    known: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in arguments.networks:
        for told, code in CODES.items():
            known[f"{name}, {told}"] = round_trip(name, code)
            print(name, told, known[f"{name}, {told}"], flush=True)
    if arguments.peers:
        known["readers"] = readers(arguments.peers)
        print(known["readers"])
    RESULTS.write_text(json.dumps({"command": "make bench-export", **known}, indent=1) + "\n")


def round_trip(name: str, code: Weighted) -> dict[str, int]:
    """Return the spikes of a network on a picture, and in how many the interpreter of its file differs."""
    pictures = list(DataLoader(sample(cifar.training_pictures(), CALIBRATION), batch_size=100))
    snn = doubled(convert(cifar.trained(name), pictures, code=code, progress=False))
    x = next(iter(DataLoader(sample(cifar.test_pictures(), 1), batch_size=1)))[0].double()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.nir"
        save_nir(snn, path)
        size, (_, sent) = path.stat().st_size, Network(path).run(x.numpy())
    spikes = unlike = 0
    for population, layer in snn.trace(x).items():
        begin = snn.graph.first_steps[population] - snn.graph[population].silent
        wanted = layer.spikes.numpy()
        spikes += int(np.count_nonzero(wanted))
        unlike += int((sent[population][begin : begin + len(wanted)] != wanted).sum())
    return {"neurons": snn.neurons, "spikes": spikes, "unlike": unlike, "bytes": size}


def doubled(snn: SpikingNetwork) -> SpikingNetwork:
    """Return a network in float64."""
    return replace(snn, plan=replace(snn.plan, graph=snn.graph.map_tensors(lambda tensor: tensor.double())))


def readers(python: Path) -> dict[str, Any]:
    """Return what the readers of others make of networks of plain nodes."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (snn, x) in plain().items():
            save_nir(snn, Path(folder) / f"{name}.nir")
            spikes = {population: layer.spikes.numpy() for population, layer in snn.trace(x).items()}
            np.savez(Path(folder) / f"{name}.npz", x=x.numpy(), **spikes)  # type: ignore[arg-type]
        command = [str(python.absolute()), "-m", "benchmarks.peers.nir_peer", folder]
        done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def plain() -> dict[str, tuple[SpikingNetwork, Tensor]]:
    """Return networks of plain nodes, with weights of few bits, in which every sum of floats is exact.

    NIR fires above a threshold, this package at it: neurons start a bit higher, so that none lies on it.
    """
    torch.manual_seed(0)
    ann = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 5)).eval()
    x = torch.rand(4, 16).mul(16).round() / 16
    rate = convert(ann, [torch.rand(32, 16)], code=named("rate", steps=16), progress=False)
    graph = rate.graph.map_tensors(lambda tensor: tensor.mul(256).round() / 256)
    graph = graph.map_populations(lambda node: node.with_tensors(start=torch.full(node.shape, 2.0**-18)))
    neurons = LIF(leak=0.5, reset="hard")
    net = nn.Sequential(*ann)
    net[1], net[3] = Population(neurons), Population(neurons)
    for weight in net.parameters():
        weight.data = weight.data.mul(3 * 256).round() / 256
    lif = as_network(net.eval(), x, steps=16)
    return {"rate": (replace(rate, plan=replace(rate.plan, graph=graph)), x), "lif with a hard reset": (lif, x)}


if __name__ == "__main__":
    main()
