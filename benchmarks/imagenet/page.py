"""docs/imagenet.md from the results of ``make bench-imagenet``: ``python -m benchmarks.imagenet.page``."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.imagenet.run import RESULTS, Row
from benchmarks.imagenet.subjects import MEMBERS
from benchmarks.tables import replaced, rows
from canonic.codes import from_json, text_of
from canonic.sweep import Setting

PAGE = Path(__file__).resolve().parents[2] / "docs" / "imagenet.md"
MODELS = ("horowitz45", "traffic45")
SOURCES = {"source_fp32": "source, fp32", "source_int8": "source, int8 arithmetic"}

Rows = Mapping[str, Row]


def main() -> None:
    """Write the tables into the page."""
    results, text = json.loads(RESULTS.read_text()), PAGE.read_text()
    for part, lines in tables(results).items():
        text = replaced(text, part, lines)
    PAGE.write_text(text)


def tables(results: Row) -> dict[str, list[str]]:
    """Return the lines of each table, by its mark in the page."""
    found = {
        f"{what} {name}": list(table(known)) for name, known in results["networks"].items() for what, table in BOTH
    }
    return found | ({"speed": list(speed(results["speed"]))} if "speed" in results else {})


def answers(found: Rows) -> Iterator[str]:
    """Yield a line for each member: how right it is, how near to its source, and how healthy."""
    headings = ("conversion", "code", "k", "total steps", "photos", "accuracy %", "source %", "agreement %")
    cells = [
        (
            *_named(member, row),
            f"{row['samples']}",
            *(f"{100 * row[share]:.2f}" for share in ("accuracy", "source_accuracy", "agreement")),
            f"{row['snr_db']:.1f}",
            f"{100 * row['most_overloaded']:.2g} ({row['most_overloaded_layer']})",
        )
        for member, row in found.items()
    ]
    yield from rows((*headings, "output, dB", "most overloaded %"), cells)


def costs(found: Rows) -> Iterator[str]:
    """Yield a line for the source, and one for each member: its events, its operations and its energy."""
    headings = ("conversion", "code", "k", "total steps", "events a neuron", "bits of an event", "ACs, M")
    energy = next(iter(found.values()))["energy"]
    cells: list[tuple[object, ...]] = [
        (title, *[""] * 6, *(_microjoules(energy, form, model) for model in MODELS)) for form, title in SOURCES.items()
    ]
    cells += [
        (
            *_named(member, row),
            f"{row['spikes_per_neuron']:.2f}",
            row["event_bits"],
            f"{row['additions'] / 1e6:,.0f}",
            *(_microjoules(row["energy"], "spiking", model) for model in MODELS),
        )
        for member, row in found.items()
    ]
    yield from rows((*headings, "arithmetic, uJ", "memory too, uJ"), cells)


def _named(member: str, row: Row) -> tuple[object, ...]:
    silent = row["silent"]
    k = silent if isinstance(silent, int) else " to ".join(map(str, silent))
    return MEMBERS[member].title, f"`{Setting.from_json(row['setting']).text}`", k, row["total_steps"]


def _microjoules(energy: Mapping[str, Mapping[str, float]], form: str, model: str) -> str:
    """Return the energy of a form and, where events differ in size, of events that carry it."""
    return " / ".join(f"{energy[name][model]:,.0f}" for name in (form, f"{form}_sized") if name in energy)


def speed(found: Row) -> Iterator[str]:
    """Yield a line for each code, precision and batch of the shape of ResNet-50."""
    cells = [
        (
            f"`{text_of(from_json(row['code']))}`",
            row["precision"],
            row["batch"],
            f"{row['ratio']:.2f}",
            f"{row['snr_db']:.1f}",
        )
        for row in found["rows"]
    ]
    yield from rows(("code", "precision", "batch", "time over the source's", "output, dB"), cells)
    yield ""
    yield f"({found['machine']['processor']}, one thread.)"


BOTH = (("answers", answers), ("costs", costs))


if __name__ == "__main__":
    main()
