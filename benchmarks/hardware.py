"""The neuron of hardware/ on the currents of trained networks, and what it is made of: ``make hardware``.

Every neuron of a network is simulated on one test picture, in whole numbers, and its digits are compared with those
of the integer network. Then yosys counts cells and area of neurons, of an array, of an integrate-and-fire neuron and of
a multiply-accumulate unit. Writes ``benchmarks/results/hardware.json`` and the tables of docs/hardware.md. Wants
Debian's packages iverilog, yosys and qflow-tech-osu018.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import ceil, log2, prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from examples.networks import trained
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.tables import replaced, rows
from benchmarks.trained import pictures
from benchmarks.verilog import scanned, synthesised
from canonic import CSS, convert
from canonic.datasets import sample
from canonic.network.graph import Graph, Node, Population
from canonic.network.grids import largest_sum
from canonic.network.layerwise import current_of, layerwise
from canonic.network.plan import Plan
from canonic.network.storage import write_json
from canonic.neurons import Scan

RESULTS = Path(__file__).parent / "results" / "hardware.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "hardware.md"
CALIBRATION = 1000
CODE = CSS(steps=8, silent=1)


class Subject(NamedTuple):
    """A trained network, what calibrates it, and a picture."""

    model: Callable[[], nn.Module]
    calibration: Callable[[], DataLoader[Any]]
    picture: Callable[[], Tensor]


SUBJECTS: Mapping[str, Subject] = {
    "ResNet-20, CIFAR-10": Subject(
        partial(cifar.trained, "resnet20"),
        lambda: DataLoader(sample(cifar.training_pictures(), CALIBRATION), batch_size=100),
        lambda: cifar.test_pictures()[0][0].unsqueeze(0),
    ),
    "VGG, Fashion-MNIST": Subject(
        partial(trained, "vgg"), partial(pictures, "train", CALIBRATION), lambda: next(iter(pictures("t10k", 1)))[0]
    ),
}
"""Networks that the neurons are checked on, every one of them."""
WIDTHS = (16, 20, 24)
"""Bits of membranes and of sums, in the table of cells."""
CIRCUITS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "neuron, L = 1, k = 1": ("tsa_neuron", {}),
    "neuron, L = 1, k = 1, signed": ("tsa_neuron", {"rectifies": 0}),
    "neuron, L = 2, k = 1": ("tsa_neuron", {"levels": 2}),
    "neuron, L = 3, k = 1, beta = 4": ("tsa_neuron", {"levels": 3, "log_beta": 2}),
    "neuron, L = 8, k = 0": ("tsa_neuron", {"levels": 8, "silent": 0}),
    "array of 16 neurons, L = 1, k = 1": ("tsa_array", {"neurons": 16}),
    "integrate-and-fire neuron": ("if_neuron", {}),
    "MAC, 8 x 8 bits": ("mac", {}),
}

Row = dict[str, Any]


def main() -> None:
    """Measure, and write results and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", choices=SUBJECTS, help="simulate these alone, and keep all else")
    asked = parser.parse_args().networks
    known = {"checked": {}, "sizes": {}} if asked is None else json.loads(RESULTS.read_text())
    for name in SUBJECTS if asked is None else asked:
        known["checked"][name] = list(compared(SUBJECTS[name]))
    if asked is None:
        known["sizes"] = {name: [made(*circuit, width) for width in WIDTHS] for name, circuit in CIRCUITS.items()}
    write_json(RESULTS, known)
    PAGE.write_text(page(PAGE.read_text(), json.loads(RESULTS.read_text())))


def compared(subject: Subject) -> Iterator[Row]:
    """Yield for each population what its neurons did on one picture, and whether the circuit did the same."""
    snn = convert(subject.model(), subject.calibration(), code=CODE, progress=False)
    plan = snn.to_precision("int8").clocked_plan
    reach = reaches(plan.graph)
    for node, currents, spikes in recorded(plan, subject.picture()):
        yield row(CODE, plan.graph, node, currents, spikes, reach[node.inputs[0]])


def recorded(plan: Plan, picture: Tensor) -> list[tuple[Population, np.ndarray, np.ndarray]]:
    """Return each population with its whole currents and its digits, ``[time, neurons]``."""
    found = []

    def keep(node: Node, given: Sequence[Tensor], result: Scan | Tensor) -> None:
        if isinstance(node, Population) and isinstance(result, Scan):
            streams = (current_of(plan, node, given), result.spikes)
            currents, spikes = (stream.reshape(len(stream), -1).numpy().astype(np.int64) for stream in streams)
            found.append((node, currents, spikes))

    with torch.no_grad():
        layerwise(plan, [picture], keep)
    return found


def reaches(graph: Graph) -> dict[str, float]:
    """Return the largest number that each stream of an integer network can hold in a step, from its weights alone."""
    reach: dict[str, float] = {}
    for node in graph.nodes:
        given = [reach[name] for name in node.inputs]
        if isinstance(node, Population):
            reach[node.name] = node.neurons.code.alphabet.magnitudes[0] if node.neurons.code else 1.0
        elif "weight" in node.tensors:
            reach[node.name] = largest_sum(node, given[0])
        elif "max" in node.arguments:
            reach[node.name] = node.arguments["max"]
        else:
            reach[node.name] = sum(given) if node.scaling == "sums" else max(given, default=0.0)
    return reach


def row(code: CSS, graph: Graph, node: Population, currents: np.ndarray, spikes: np.ndarray, most: float) -> Row:
    """Return one population: the bits that it was promised, those that it took, and where the circuit was other."""
    theta, start = (of_neurons(node, name) for name in ("threshold", "start"))
    beta, top = int(code.beta), int(theta.max()) * int(code.beta) ** code.silent
    absorbing = (most + code.levels * top) / (beta - 1)
    membrane = ceil(log2(absorbing)) + int(log2(beta)) + 2
    given = {"levels": code.levels, "silent": code.silent, "log_beta": int(log2(beta)), "membrane": membrane}
    found = scanned(currents, theta, beta * start, steps=code.steps, **given)
    held, free = (largest_membrane(code, currents, theta, start, spikes, x) for x in (ceil(absorbing), 2**40))
    fan_in, weight = synapses(graph, node.inputs[0])
    return {
        **{"population": node.name, "neurons": node.size, "fan-in": fan_in, "weight bits": weight},
        "formula": ceil(weight + log2(fan_in) + log2(2 * code.levels) + 1),
        **{"width": membrane, "current": signed_bits(abs(currents).max()), "membrane": signed_bits(held)},
        **{"without saturation": signed_bits(free), "different": int((found != spikes).sum())},
    }


def of_neurons(node: Population, name: str) -> np.ndarray:
    """Return a whole number of each neuron, 0 where there is none."""
    given = node.tensors.get(name, torch.zeros(()))
    return given.expand(node.shape).flatten().numpy().astype(np.int64)


def largest_membrane(
    code: CSS, currents: np.ndarray, theta: np.ndarray, start: np.ndarray, spikes: np.ndarray, limit: int
) -> int:
    """Return the largest sum, before firing, of neurons that saturate at a limit and fired these digits."""
    v, largest, top = start, 0, theta * int(code.beta) ** code.silent
    for t in range(code.steps + code.silent):
        u = int(code.beta) * v + (currents[t] if t < len(currents) else 0)
        largest = max(largest, int(abs(u).max()))
        v = np.clip(u - top * (spikes[t - code.silent] if t >= code.silent else 0), -limit, limit)
    return largest


def signed_bits(largest: int) -> int:
    """Return the bits of a signed number of this size.

    >>> signed_bits(127), signed_bits(128)
    (8, 9)
    """
    return int(largest).bit_length() + 1


def synapses(graph: Graph, name: str) -> tuple[int, int]:
    """Return how many weights, biases included, a current is the sum of at most, and the bits of the largest weight."""
    node = graph[name]
    weights = node.tensors.get("weight")
    if weights is None:
        terms = [synapses(graph, source) for source in node.inputs]
        return sum(count for count, _ in terms), max(bits for _, bits in terms)
    count = 1 if node.is_scale else prod(weights.shape[1:])
    return count + ("bias" in node.tensors), signed_bits(int(weights.abs().max()))


def made(top: str, parameters: Mapping[str, int], width: int) -> Row:
    """Return the size of a circuit with membranes, or sums, of a width."""
    return {
        "width": width,
        **synthesised(top, **{"sum" if top == "mac" else "membrane": width}, **parameters)._asdict(),
    }


def page(text: str, results: Mapping[str, Any]) -> str:
    """Return the page with its tables."""
    text = replaced(text, "checked", totals(results["checked"]))
    for name, found in results["checked"].items():
        text = replaced(text, f"widths {name}", widths(found))
    return replaced(text, "sizes", sizes_table(results["sizes"]))


def totals(checked: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Yield a line for each network."""
    cells = []
    for name, found in checked.items():
        most = [max(row[key] for row in found) for key in ("formula", "membrane", "width")]
        sums = [sum(row[key] for row in found) for key in ("neurons", "different")]
        cells.append((name, f"{sums[0]:,}", sums[1], *most))
    headings = ("network", "neurons", "digits that differ", "bits by the formula, at most", "bits taken, at most")
    yield from rows((*headings, "bits of the circuit, at most"), cells)


def widths(found: Sequence[Row]) -> Iterator[str]:
    """Yield a line for each population."""
    keys = ("population", "neurons", "fan-in", "weight bits", "formula", "current", "membrane", "without saturation")
    yield from rows((*keys, "width"), ([row[key] for key in (*keys, "width")] for row in found))


def sizes_table(sizes: Mapping[str, Iterable[Row]]) -> Iterator[str]:
    """Yield a line for each circuit: cells, of them registers, and area for each width."""
    parts = [f"{part}, {width} bits" for width in WIDTHS for part in ("cells (registers)", "area, um^2")]
    cells = (
        (name, *(text for r in found for text in (f"{r['cells']} ({r['registers']})", f"{r['area']:,.0f}")))
        for name, found in sizes.items()
    )
    yield from rows(("circuit", *parts), cells)


if __name__ == "__main__":
    main()
