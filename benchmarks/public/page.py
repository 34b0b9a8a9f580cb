"""docs/public.md from the results of ``make bench-public``: ``python -m benchmarks.public.page``."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.public.run import RESULTS
from benchmarks.public.subject import Subject
from benchmarks.public.subjects import SUBJECTS
from benchmarks.tables import replaced, rows

PAGE = Path(__file__).resolve().parents[2] / "docs" / "public.md"
KNOWN = {subject.name: subject for subject in SUBJECTS}

WORDS = {
    "above_bicubic_db": "{:+.2f} dB to bicubic",
    "boxes_apart": "boxes {:.2g} of a window apart",
    "clean_above_noisy_percent": "clean above noisy: {:.3g} %",
    "found_percent": "a face in {:.3g} % of windows",
    "mean_rating": "mean rating {:.3g}",
    "median_error_cents": "median error {:.2g} cents",
    "near_psnr_db": "PSNR {:.1f} dB",
    "psnr_db": "PSNR {:.2f} dB",
    "ratings_apart": "ratings {:.2g} apart",
    "right_percent": "{:.3g} % of chunks right",
    "same_class_percent": "the same class: {:.3g} %",
    "same_decision_percent": "the same decision: {:.4g} %",
    "same_within_50_cents_percent": "the same within 50 cents: {:.3g} %",
    "top1_percent": "top-1 {:.3g} %",
    "within_50_cents_percent": "{:.3g} % within 50 cents",
}
"""What a figure is called."""

WAYS = {"auto": '`silent="auto"`', "advised": "as `verify` advises"}
"""Other conversions of a network, and what they are called."""


def main() -> None:
    """Write the tables into the page."""
    results = json.loads(RESULTS.read_text())["results"]
    text = PAGE.read_text()
    for part, table in TABLES.items():
        text = replaced(text, part, table(results))
    PAGE.write_text(text)


def figures(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each network, and one for each other conversion of it."""
    cells: list[tuple[str, ...]] = []
    for row in results:
        subject = KNOWN[row["network"]]
        if "refused" in row:
            cells.append((*_described(subject), "refused", *[""] * 6))
            continue
        cells.append((*_described(subject, row["samples"]), "defaults", *_figures(row, row["source"])))
        cells += [("", "", said, *_figures(row[way], row["source"])) for way, said in WAYS.items() if way in row]
    headings = ("network (weights)", "what it does, and on what", "conversion", "T, k", "steps", "ratio, dB")
    yield from rows((*headings, "source", "spiking", "both"), cells)


def _described(subject: Subject, samples: int | None = None) -> tuple[str, str]:
    return f"{subject.title} ({subject.origin})", subject.task + (f" ({samples})" if samples else "")


def _figures(row: dict[str, Any], source: dict[str, float]) -> tuple[str, ...]:
    """Return the settings, the ratios, and the measures of the source, of the spiking network and of both."""
    low, high = row["k"]
    ratios = " / ".join(f"{ratio:.1f}" for ratio in row["snr_db"])
    said = (_measures(source), _measures(row["spiking"]), _measures(row["both"]))
    return (f"{row['T']}, {low if low == high else f'{low} to {high}'}", str(row["total_steps"]), ratios, *said)


def _measures(measured: dict[str, float]) -> str:
    return "; ".join(WORDS[name].format(value) for name, value in measured.items())


def operations(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each network: its operations for one sample, in millions."""
    names = ("source_multiplications", "multiplications", "multiplications_behind_populations", "additions")
    cells = [
        (KNOWN[row["network"]].title, *(_millions(row["operations"][name]) for name in names))
        for row in results
        if "operations" in row
    ]
    headings = ("source: multiplications", "spiking: multiplications", "of them behind a population")
    yield from rows(("network", *headings, "spiking: additions"), cells)


def _millions(count: int) -> str:
    return f"{count / 1e6:,.0f}" if count >= 1e8 else f"{count / 1e6:.3g}"


def verdicts(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what ``verify`` says of each network, or why it is refused."""
    for row in results:
        said = row["refused"].splitlines()[-1].strip() if "refused" in row else row["advice"]
        yield f"* {KNOWN[row['network']].title}{' (`convert` warns)' if row.get('notes') else ''}: {said}"


TABLES = {"figures": figures, "operations": operations, "verdicts": verdicts}


if __name__ == "__main__":
    main()
