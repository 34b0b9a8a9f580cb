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


FORMATS: Mapping[str, Writer] = {"nir": _nir, "onnx": _onnx, "onnx-step": _onnx_step}
"""What a network can be written as."""


def export(
    network: Annotated[Path, typer.Argument(help="File that canonic convert or canonic train wrote.")],
    out: Annotated[Path, typer.Argument(help="File to write.")],
    to: Annotated[str, typer.Option(help=f"Format: {either(FORMATS)}.")],
) -> None:
    """Write a network in a format of others: for chips, for other simulators, for other runtimes."""
    from canonic.network import load

    if to not in FORMATS:
        raise typer.BadParameter(f"there is no format {to!r}: take {either(FORMATS)}", param_hint="--to")
    o.require_writable(out)
    FORMATS[to](load(network), out)
    finish()
    print(f"written to {out} ({out.stat().st_size / 1e6:.1f} MB)")
