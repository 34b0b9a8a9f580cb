"""docs/performance.md and its picture from the results of ``make bench-speed``: ``python -m benchmarks.speed.page``."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np

from benchmarks.peers.run import ROOT
from benchmarks.speed.run import RESULTS, TARGETS
from benchmarks.tables import replaced, rows

PAGE, PICTURE = ROOT / "docs" / "performance.md", ROOT / "docs" / "images" / "speed.png"


def main() -> None:
    """Write the tables between their marks, and the picture."""
    results = json.loads(RESULTS.read_text())
    text = PAGE.read_text()
    for part, table in TABLES.items():
        text = replaced(text, part, table(results[part]))
    PAGE.write_text(text)
    draw(results["growth"])


def ratios(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each network and number of threads."""
    kinds = list(dict.fromkeys((r["network"], r["batch"], r["threads"]) for r in found))
    known = {(r["network"], r["threads"], r["precision"]): r["ratio"] for r in found}
    silent = {r["network"]: f"{r['silent %']:.0f}" for r in found}
    cells = [
        (name, batch, threads, *(f"{known[name, threads, p]:.2f}" for p in TARGETS), silent[name])
        for name, batch, threads in kinds
    ]
    yield from rows(("network", "batch", "threads", *TARGETS, "neurons that do not fire %"), cells)


def accuracies(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each precision."""
    cells = [(r["precision"], f"{r['accuracy']:.2f}", f"{r['agreement']:.2f}") for r in found]
    yield from rows(("precision", "accuracy %", "agreement with the source %"), cells)
    yield f"\nThe source network: {found[0]['source accuracy']:.2f} %."


def growth(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each quantity."""
    cells = [
        (
            name,
            " / ".join(map(str, f["sizes"])),
            " / ".join(f"{ms:.0f}" for ms in f["ms"]),
            f"{100 * f['residual']:.1f}",
        )
        for name, f in found.items()
    ]
    yield from rows(("grows", "sizes", "ms", "largest residual of a straight line, % of the last"), cells)


def memory(found: dict[str, Any]) -> Iterator[str]:
    """Yield the MiB and the two ratios."""
    yield from rows(("", "MiB"), [(name, f"{mib:.0f}") for name, mib in found["MiB"].items()])
    ratios = {name: ratio for name, ratio in found.items() if name != "MiB"}
    yield "\n" + "; ".join(f"{name}: {ratio:.2f}" for name, ratio in ratios.items()) + "."


def layers(found: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each layer, and the sums."""
    names = ("operations ms", "bytes ms", "measured ms")
    total = {"layer": "all", **{name: sum(row[name] for row in found) for name in names}}
    cells = [(row["layer"], *(f"{row[name]:.2f}" for name in names)) for row in (*found, total)]
    yield from rows(("layer", "floor of operations, ms", "floor of bytes, ms", "measured, ms"), cells)


def peers(found: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each tool and way: the fewest steps that suffice, and their time."""
    cells: list[tuple[object, ...]] = [
        (f"canonic, {precision}", r["steps"], f"{r['accuracy']:.1f}", "yes", f"{r['ratio']:.1f}")
        for precision, r in found["canonic"].items()
    ]
    for tool in ("spikingjelly", "sinabs"):
        for way, r in found[tool]["ways"].items():
            reached = r["accuracy"][str(r["steps"])]
            reaches = "yes" if r["reaches"] else "no"
            cells.append((f"{tool}, {way}", r["steps"], f"{reached:.1f}", reaches, f"{r['ratio']:.1f}"))
    yield from rows(("tool", "T", "accuracy %", "within 0.5 points", "time over source"), cells)
    yield f"\nThe source network: {found['spikingjelly']['source accuracy']:.1f} % on these pictures."


def draw(found: dict[str, dict[str, Any]]) -> None:
    """Draw time against T, batch and neurons, with straight lines."""
    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(10, 3), layout="constrained")
    for axis, (name, f) in zip(axes, found.items(), strict=True):
        sizes = np.array(f["sizes"])
        axis.plot(sizes, f["slope ms"] * sizes + f["offset ms"], color="0.7")
        axis.plot(sizes, f["ms"], "o", color="C0")
        axis.set(xlabel=name, ylabel="ms", ylim=(0, None), xlim=(0, None))
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=150)


TABLES: dict[str, Callable[[Any], Iterator[str]]] = {
    "ratios": ratios,
    "accuracies": accuracies,
    "growth": growth,
    "memory": memory,
    "layers": layers,
    "peers": peers,
}


if __name__ == "__main__":
    main()
