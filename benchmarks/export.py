"""Files of networks read by others: ``python -m benchmarks.export --peers .venv-peers/bin/python`` (make bench-export).

Three things are asked, each of one sample. Does an interpreter of numpy, which reads a file of NIR alone, send the same
spikes as the network (in float64, so that no digit hangs on the order of a sum)? Does the one that reads the file of
whole numbers? Do the readers of NIR by sinabs, Norse and snnTorch, for networks of plain nodes? Writes
benchmarks/results/export.json, row by row, and the table of docs/tasks/export.md.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from examples.networks import trained
from tests.nir_interpreter import Network
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks import cifar
from benchmarks.peers.run import ROOT, environment
from benchmarks.tables import replaced, rows
from benchmarks.trained import pictures
from canonic.cli.demo import train as train_digits
from canonic.codes import CSS, named
from canonic.conversion import convert
from canonic.datasets import open_data, sample
from canonic.errors import CanonicError
from canonic.export.integers import load_integers, run, save_integers
from canonic.export.nir import save_nir
from canonic.learn import LIF, Population, as_network
from canonic.learn.zoo import entry
from canonic.learn.zoo.samples import samples_of
from canonic.learn.zoo.training import train
from canonic.network import SpikingNetwork

RESULTS = ROOT / "benchmarks" / "results" / "export.json"
PAGE = ROOT / "docs" / "tasks" / "export.md"
CALIBRATION = 200
CODES = {"css": CSS(), "css, 8 levels, no silent step": CSS(silent=0, levels=8), "rate": named("rate", steps=16)}

Row = dict[str, Any]
Converted = tuple[str, SpikingNetwork, Tensor]
"""How a network sends numbers, the network, and a sample."""


class Subject(NamedTuple):
    """A trained network, what calibrates it, and one sample."""

    model: nn.Module
    calibration: DataLoader[Any]
    x: Tensor


def main() -> None:
    """Write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="python of the environment of the peers")
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    known: dict[str, Any] = json.loads(RESULTS.read_text())
    trips: dict[str, dict[str, Row]] = known.setdefault("round trips", {})
    for name in arguments.networks:
        trips[name] = {}
        for told, snn, x in NETWORKS[name]():
            trips[name][told] = {"neurons": snn.neurons, "nir": of_nir(snn, x), "int8": of_integers(snn, x)}
            print(name, told, trips[name][told], flush=True)
            write(known)
    if arguments.peers:
        known["readers"] = readers(arguments.peers)
        print(known["readers"])
    write(known)


def write(known: Mapping[str, Any]) -> None:
    """Write the results, and the table of what was read back."""
    ordered = {name: known["round trips"][name] for name in NETWORKS if name in known["round trips"]}
    page = replaced(PAGE.read_text(), "round trips", table(ordered))
    RESULTS.write_text(json.dumps({**known, "command": "make bench-export", "round trips": ordered}, indent=1) + "\n")
    PAGE.write_text(replaced(page, "readers", table_of_readers(known["readers"])))


def table(trips: Mapping[str, Mapping[str, Row]]) -> Iterator[str]:
    """Yield the lines of the table."""
    headings = ("network", "code", "neurons", "NIR: spikes", "unlike", "int8: spikes", "unlike")
    cells = (
        (name, told, f"{row['neurons']:,}", *_cells(row["nir"]), *_cells(row["int8"]))
        for name, own in trips.items()
        for told, row in own.items()
    )
    yield from rows(headings, cells)


def table_of_readers(found: Mapping[str, Mapping[str, Row]]) -> Iterator[str]:
    """Yield the lines of the table: of how many spikes how many are unlike."""
    names = next(iter(found.values()))
    cells = (
        (tool, *(row.get("refused") or f"{row['unlike']:,} of {row['spikes']:,}" for row in told.values()))
        for tool, told in found.items()
    )
    yield from rows(("reader", *names), cells)


def _cells(row: Row) -> tuple[str, str]:
    return ("refused", "") if "refused" in row else (f"{row['spikes']:,}", f"{row['unlike']:,}")


def converted(subject: Callable[[], Subject]) -> Iterator[Converted]:
    """Yield a network in each code, with a sample."""
    model, calibration, x = subject()
    for told, code in CODES.items():
        yield told, convert(model, calibration, code=code, progress=False), x


def resnet(name: str) -> Subject:
    """Return a trained ResNet of CIFAR-10."""
    known = DataLoader(sample(cifar.training_pictures(), CALIBRATION), batch_size=100)
    return Subject(cifar.trained(name), known, one(cifar.test_pictures()))


def vgg() -> Subject:
    """Return a VGG with max pooling, trained on Fashion-MNIST."""
    return Subject(trained("vgg"), pictures("train", CALIBRATION), next(iter(pictures("t10k", 1)))[0])


def digits(epochs: int = 15) -> Subject:
    """Return the network of ``canonic demo``, trained as there."""
    torch.manual_seed(0)
    known = open_data("digits:train")
    model = train_digits(DataLoader(known, batch_size=64, shuffle=True, drop_last=True), epochs)
    return Subject(model, DataLoader(known, batch_size=100), one(open_data("digits:test")))


def lif(epochs: int | None = None) -> Iterator[Converted]:
    """Yield a network of LIF neurons, trained on digits for so many epochs or as its recipe says, with a sample."""
    known = entry("lif")
    data = samples_of(known, "digits")
    recipe = known.recipe_for(len(data.train), 0)
    found = train(known, data.train, replace(recipe, epochs=epochs or recipe.epochs), ann=False, progress=False)
    yield "trained in steps", found.network(data.train.tensors[0][:2]), data.test.tensors[0][:1]


NETWORKS: Mapping[str, Callable[[], Iterator[Converted]]] = {
    "resnet20": partial(converted, partial(resnet, "resnet20")),
    "resnet56": partial(converted, partial(resnet, "resnet56")),
    "VGG, Fashion-MNIST": partial(converted, vgg),
    "digits": partial(converted, digits),
    "LIF, digits": lif,
}


def one(data: Dataset[Any]) -> Tensor:
    """Return the first sample as a batch."""
    return torch.as_tensor(data[0][0]).unsqueeze(0)


def of_nir(snn: SpikingNetwork, x: Tensor) -> Row:
    """Return the spikes of a network of floats on a sample, and in how many the interpreter of its file differs."""
    snn, x = doubled(snn), x.double()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.nir"
        save_nir(snn, path)
        size, (_, sent) = path.stat().st_size, Network(path).run(x.numpy())
    told = {}
    for name, layer in snn.trace(x).items():
        begin = snn.graph.first_steps[name] - snn.graph[name].silent
        stream = sent[f"{name}:1" if f"{name}:1" in sent else name]
        told[name] = stream[begin : begin + len(layer.spikes)]
    return {**unlike(snn, x, told), "bytes": size}


def of_integers(snn: SpikingNetwork, x: Tensor) -> Row:
    """Return the same of a network in whole numbers and its file, or why it cannot be had."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        try:
            save_integers(snn, path)
        except CanonicError as error:
            return {"refused": str(error)}
        size, ran = path.stat().st_size, run(load_integers(path), x.numpy())
    return {**unlike(snn.to_precision("int8"), x, ran.spikes), "bytes": size}


def unlike(snn: SpikingNetwork, x: Tensor, told: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return how many spikes a network sends, and how many of those that were told are others."""
    spikes = different = 0
    for name, layer in snn.trace(x).items():
        wanted = layer.spikes.numpy()
        mine = np.concatenate([np.zeros_like(wanted[: len(wanted) - len(told[name])]), told[name]])
        spikes += int(np.count_nonzero(wanted))
        different += int((mine != wanted).sum())
    return {"spikes": spikes, "unlike": different}


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
    """Return networks of plain nodes, with weights of few bits, in which every sum of floats is exact."""
    torch.manual_seed(0)
    dense = (nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 5))
    maps = (nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 5))
    return {
        "rate": rated(nn.Sequential(*dense), torch.rand(4, 16)),
        "rate, convolutions": rated(nn.Sequential(*maps), torch.rand(4, 1, 8, 8)),
        "lif with a hard reset": reset(nn.Sequential(*dense), torch.rand(4, 16)),
    }


def rated(ann: nn.Module, x: Tensor) -> tuple[SpikingNetwork, Tensor]:
    """Return a network in a rate code, with samples.

    NIR fires above a threshold, this package at it: neurons start a bit higher, so that none lies on it.
    """
    rate = convert(ann.eval(), [torch.rand(32, *x.shape[1:])], code=named("rate", steps=16), progress=False)
    graph = rate.graph.map_tensors(lambda tensor: tensor.mul(256).round() / 256)
    graph = graph.map_populations(lambda node: node.with_tensors(start=torch.full(node.shape, 2.0**-18)))
    return replace(rate, plan=replace(rate.plan, graph=graph)), x.mul(16).round() / 16


def reset(ann: nn.Sequential, x: Tensor) -> tuple[SpikingNetwork, Tensor]:
    """Return the network with neurons that leak and are reset to zero in the places of its functions, with samples."""
    net = nn.Sequential(
        *(Population(LIF(leak=0.5, reset="hard")) if isinstance(layer, nn.ReLU) else layer for layer in ann)
    )
    for weight in net.parameters():
        weight.data = weight.data.mul(3 * 256).round() / 256
    x = x.mul(16).round() / 16
    return as_network(net.eval(), x, steps=16), x


if __name__ == "__main__":
    main()
