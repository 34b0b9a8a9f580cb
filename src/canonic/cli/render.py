"""Results as tables on a terminal."""

from collections.abc import Mapping
from pathlib import Path

from canonic.cli.terminal import columns, tell
from canonic.cli.zoo import Outcome
from canonic.conversion import Explanation
from canonic.measure import Evaluation
from canonic.network import SpikingNetwork, verdict
from canonic.network.table import HEADINGS, rows, summary, why_chosen
from canonic.words import counted, spread

STYLES = {"refused": "bold red", "population": "green", "function unit": "yellow"}


def show_explanation(explanation: Explanation) -> None:
    """Print the verdict on every call."""
    table = columns(("node", "verdict", "shape", "remark"))
    for v in explanation.verdicts:
        remark = v.remark
        if v.kind == "refused" and v.origin.source:
            remark += f"\n{v.origin.source}"
        table.add_row(v.name, v.kind, " x ".join(map(str, v.shape)), remark, style=STYLES.get(v.kind, ""))
    tell(table, explanation.summary)


def show_network(snn: SpikingNetwork, path: Path) -> None:
    """Print a converted network and where it was saved."""
    tell(columns(HEADINGS, rows(snn.plan)), "", summary(snn.plan))  # its notes are in the log
    if goal := snn.record.get("goal"):
        tell(why_chosen(goal, snn.precision))
    dead = snn.record["dead_channels"]
    if dead:
        named = ", ".join(f"{name} ({count})" for name, count in dead.items())
        tell(f"channels that were never active on the calibration data, or below all that counts: {named}")
    tell(f"saved in {path}; measure it: canonic evaluate {path} --data ...")


def show_verification(found: verdict.Verification) -> None:
    """Print the health of every layer, and what to change."""
    tell(columns((*verdict.HEADINGS, ""), found.rows()), "", found.summary, found.advice)


def show_demo(results: Mapping[str, Evaluation], out: Path) -> None:
    """Print the comparison that the demo made."""
    first = next(iter(results.values()))
    headings = ("network", "T", "k", "depth", "total steps", "accuracy %", "agreement %", "spikes per neuron")
    table = columns(headings)
    table.add_row("source", "", "", "", "", f"{100 * first.source_accuracy:.2f}", "", "", style="dim")
    for e in results.values():
        numbers = (f"{100 * e.accuracy:.2f}", f"{100 * e.agreement:.2f}", f"{e.spikes_per_neuron:.2f}")
        network = e.network
        sizes = (str(network.steps), spread(*network.silent), str(network.depth), str(network.total_steps))
        table.add_row("spiking", *sizes, *numbers)
    tell(
        table,
        f"{counted(first.samples, 'handwritten digit')} that the network was not trained on",
        f"{out / 'accuracy.png'}: accuracy against steps",
        f"{out / 'network.safetensors'}: the network with T = {max(e.network.steps for e in results.values())}",
    )


def show_outcome(outcome: Outcome) -> None:
    """Print what became of one architecture, in one line."""
    size = (
        f"{counted(outcome.populations, 'population')}, depth {outcome.depth}" if outcome.verdict == "converts" else ""
    )
    print(f"{outcome.name:40} {outcome.verdict:9} {outcome.seconds:6.1f} s  {outcome.reason or size}", flush=True)
