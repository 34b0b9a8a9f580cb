"""The command that writes a network in the formats of others."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canonic.cli import options as o
from canonic.cli.group import finish
from canonic.errors import either

if TYPE_CHECKING:
    from canonic.network import SpikingNetwork

Writer = Callable[["SpikingNetwork", Path], None]


def _nir(snn: "SpikingNetwork", out: Path) -> None:
    from canonic.export.nir import save_nir

    save_nir(snn, out)


def _onnx(snn: "SpikingNetwork", out: Path) -> None:
    from canonic.export.onnx import save_onnx

    save_onnx(snn, out)


def _onnx_step(snn: "SpikingNetwork", out: Path) -> None:
    from canonic.export.onnx import save_onnx_step

    save_onnx_step(snn, out)


def _int8(snn: "SpikingNetwork", out: Path) -> None:
    from canonic.export.integers import save_integers

    save_integers(snn, out)


FORMATS: Mapping[str, Writer] = {"nir": _nir, "onnx": _onnx, "onnx-step": _onnx_step, "int8": _int8}
"""What a network can be written as."""

EVENTS = "events"
"""What a run of it can be written as."""


def export(
    network: Annotated[Path, typer.Argument(help=o.NETWORK)],
    out: Annotated[Path, typer.Argument(help="File to write.")],
    to: Annotated[str, typer.Option(help=f"Format: {either((*FORMATS, EVENTS))}.")],
    data: Annotated[str | None, typer.Option(help="Samples to run, for events: as for canonic evaluate.")] = None,
    limit: o.Limit = 10,
) -> None:
    """Write a network in a format of others: for chips, for other simulators, for other runtimes."""
    from canonic.cli.opened import open_steps

    if to not in (*FORMATS, EVENTS):
        raise typer.BadParameter(f"there is no format {to!r}: take {either((*FORMATS, EVENTS))}", param_hint="--to")
    if (to == EVENTS) != (data is not None):
        raise typer.BadParameter("--data names the samples that events are of: give it with --to events, and only then")
    o.require_writable(out)
    if out.exists() and network.exists() and out.samefile(network):
        raise typer.BadParameter(f"{out} is the network itself: name another file", param_hint="OUT")
    snn = open_steps(network)
    if data is None:
        FORMATS[to](snn, out)
    else:
        _events(snn, out, data, limit)
    finish()
    print(f"written to {out} ({out.stat().st_size / 1e6:.1f} MB)")


def _events(snn: "SpikingNetwork", out: Path, data: str, limit: int | None) -> None:
    """Write the events of a run, and print what cores would carry of them."""
    import torch

    from canonic.cli import data as d
    from canonic.cli.terminal import columns, tell
    from canonic.export.trains import CORE, save_events, traffic
    from canonic.network.batch import parted

    samples = d.samples_of(snn, data, o.remembered(snn, "", "", None, False), limit)
    given = [parted(batch, snn.graph.inputs, "a batch").inputs for batch in d.batches(samples, 100)]
    found = save_events(snn, out, *(torch.cat(parts) for parts in zip(*given, strict=True)))
    carried, begin = traffic(found), 0
    headings = ("neurons", "fan-out", "events a step, most", "deliveries a step, most", f"of a core of {CORE}, most")
    table = columns(("layer", *headings))
    for index, (name, size) in enumerate(zip(found.layers, found.sizes, strict=True)):
        reach = found.fan_out[begin : begin + size].mean()
        most = (carried.most_events[index], carried.most_deliveries[index], carried.most_of_a_core[index])
        table.add_row(name, f"{size:,}", f"{reach:.1f}", *(f"{value:,}" for value in most))
        begin += size
    tell(table)
