"""docs/coverage.md from the results of ``make bench-coverage``: ``python -m benchmarks.tables``."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.coverage import RESULTS
from benchmarks.zoo import GOALS, why

PAGE = Path(__file__).resolve().parents[1] / "docs" / "coverage.md"


def main() -> None:
    """Write the page: what a person wrote about each part, and the tables below it."""
    results = json.loads(RESULTS.read_text())
    text = PAGE.read_text()
    for part, table in TABLES.items():
        if part in results:
            text = replaced(text, part, table(results[part]["results"]))
    PAGE.write_text(text)


def replaced(text: str, part: str, lines: Iterable[str]) -> str:
    """Return a text with what stands between the marks of a part replaced.

    >>> replaced("a <!-- zoo --> b <!-- end of zoo --> c", "zoo", ["1", "2"])
    'a <!-- zoo -->\\n1\\n2\\n<!-- end of zoo --> c'
    """
    start, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    before, after = text.split(start)[0], text.split(end)[1]
    return "\n".join((before + start, *lines, end + after))


def rows(headings: Sequence[str], cells: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(headings)} |"
    yield "|" + "---|" * len(headings)
    for row in cells:
        yield f"| {' | '.join(map(str, row))} |"


def zoo_table(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield one line for each network with both T, and the reasons of those that miss a goal."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in results:
        by_name.setdefault(row["network"], []).append(row)
    cells, missed = [], []
    for name, found in by_name.items():
        if "refused" in found[0]:
            cells.append((name, "refused: " + found[0]["refused"], *[""] * 6))
            continue
        known = {row["T"]: f"{row['SNR']:.1f}" for row in found}
        ratios = [known.get(steps, "not measured") for steps in GOALS]
        k = f"{found[0]['least k']} to {found[0]['largest k']}"
        first = found[0]
        cells.append(
            (name, *ratios, first["populations"], first["depth"], k, first["total steps"], first["function units"])
        )
        missed += [f"* {name}, T = {row['T']}: {row['SNR']:.1f} dB, {why(row)}" for row in found if "k = T" in row]
    goals = [f"T = {steps}, dB" for steps in GOALS]
    yield from rows(
        ("network", *goals, "populations", "depth", "k (T = 8)", "total steps (T = 8)", "function units"), cells
    )
    yield from ("", *missed)


def fuzz_table(results: dict[str, Any]) -> Iterator[str]:
    """Yield the counts, and the reasons of those that were refused."""
    refused = results["refused"]
    yield from rows(
        ("networks", "converted and right", "refused with a reason", "silently wrong, or an error that is not ours"),
        [(results["examples"], results["converted"], sum(refused.values()), len(results["failures"]))],
    )
    yield ""
    yield from rows(("reason", "networks"), refused.items())


def trained_table(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each network and way."""
    headings = ("network", "T", "silent", "depth", "total steps", "source %", "spiking %", "drop (points)")
    cells = [
        (
            *(row["network"], row["T"], row["silent"], row["depth"], row["total steps"]),
            *(f"{row[key]:.2f}" for key in ("source accuracy", "accuracy", "drop", "agreement", "spikes per neuron")),
        )
        for row in results
    ]
    yield from rows((*headings, "agreement %", "spikes per neuron"), cells)


def repair_table(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each network."""
    cells = [
        (row["network"], row["pictures"], f"{row['agreement']:.2f}", row["target"], f"{row['drop']:.2f}")
        for row in results
    ]
    yield from rows(("network", "pictures", "agreement % at T = 4, k = 1", "target %", "drop (points)"), cells)


def peers_table(results: dict[str, dict[str, dict[str, Any]]]) -> Iterator[str]:
    """Yield a line for each network and a column for each tool."""
    networks = list(results["canonic"])
    cells = [(name, *(outcome(results[tool].get(name, {})) for tool in results)) for name in networks]
    yield from rows(("network", *results), cells)


def outcome(record: dict[str, Any]) -> str:
    """Return what a tool made of a network: errors in per cent at each T, or the refusal."""
    if not record:
        return "not applicable"
    if "refused" in record:
        text = record["refused"].split("does not support ")[-1].split(": ")[-1].replace("|", "/")
        return f"refused: {text[:60]}{'...' if len(text) > 60 else ''}"
    errors = " / ".join(f"{100 * error:.2g}" for error in record["error"].values())
    return f"{errors} {record.get('remark', '')}".strip()


TABLES: dict[str, Callable[[Any], Iterator[str]]] = {
    "zoo": zoo_table,
    "fuzz": fuzz_table,
    "trained": trained_table,
    "repair": repair_table,
    "peers": peers_table,
}


if __name__ == "__main__":
    main()
