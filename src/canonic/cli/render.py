"""Results as tables on a terminal."""

import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from canonic.cli.zoo import Outcome
from canonic.conversion import Explanation
from canonic.measure import Evaluation
from canonic.network import SpikingNetwork
from canonic.network.graph import spread
from canonic.network.table import table
from canonic.words import counted

STYLES = {"refused": "bold red", "population": "green", "function unit": "yellow"}


def show_explanation(explanation: Explanation) -> None:
    """Print the verdict on every call."""
    table = Table("node", "verdict", "shape", "remark", box=None, header_style="bold")
    for v in explanation.verdicts:
        remark = v.remark
        if v.kind == "refused" and v.origin.source:
            remark += f"\n{v.origin.source}"
        table.add_row(v.name, v.kind, " x ".join(map(str, v.shape)), remark, style=STYLES.get(v.kind, ""))
    console().print(table, explanation.summary, sep="\n")


def show_network(snn: SpikingNetwork, path: Path) -> None:
    """Print a converted network and where it was saved."""
    print(table(snn.plan))  # its notes are in the log
    dead = snn.record["dead_channels"]
    if dead:
        named = ", ".join(f"{name} ({count})" for name, count in dead.items())
        print(f"channels that were never active on the calibration data, or below all that counts: {named}")
    print(f"saved in {path}; measure it: canonic evaluate {path} --data ...")


def show_demo(results: Mapping[str, Evaluation], out: Path) -> None:
    """Print the comparison that the demo made."""
    first = next(iter(results.values()))
    columns = ("network", "T", "k", "depth", "total steps", "accuracy %", "agreement %", "spikes per neuron")
    table = Table(*columns, box=None, header_style="bold")
    table.add_row("source", "", "", "", "", f"{100 * first.source_accuracy:.2f}", "", "", style="dim")
    for e in results.values():
        numbers = (f"{100 * e.accuracy:.2f}", f"{100 * e.agreement:.2f}", f"{e.spikes_per_neuron:.2f}")
        network = e.network
        sizes = (str(network.steps), spread(*network.silent), str(network.depth), str(network.total_steps))
        table.add_row("spiking", *sizes, *numbers)
    console().print(
        table,
        f"{counted(first.samples, 'handwritten digit')} that the network was not trained on",
        f"{out / 'accuracy.png'}: accuracy against steps",
        f"{out / 'network.safetensors'}: the network with T = {max(e.network.steps for e in results.values())}",
        sep="\n",
    )


def show_outcome(outcome: Outcome) -> None:
    """Print what became of one architecture, in one line."""
    size = (
        f"{counted(outcome.populations, 'population')}, depth {outcome.depth}" if outcome.verdict == "converts" else ""
    )
    print(f"{outcome.name:40} {outcome.verdict:9} {outcome.seconds:6.1f} s  {outcome.reason or size}", flush=True)


def console() -> Console:
    """Return a console that cuts nothing off where the output is no terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 240)
