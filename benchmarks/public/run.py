"""Convert the trained networks of others and measure them beside their sources: ``make bench-public``.

What has been measured is kept, so that a run which was stopped goes on; ``--again`` measures all of them anew.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.public.measured import measured
from benchmarks.public.subject import Subject
from benchmarks.public.subjects import SUBJECTS

RESULTS = Path(__file__).parents[1] / "results" / "public.json"

Row = dict[str, Any]


def main() -> None:
    """Measure the networks that are asked for, and keep the results of the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=[subject.name for subject in SUBJECTS])
    parser.add_argument("--again", action="store_true", help="measure what has been measured, too")
    given = parser.parse_args()
    torch.set_num_threads(1)
    wanted = [subject for subject in SUBJECTS if subject.name in (given.networks or [subject.name])]
    go_on(RESULTS, SUBJECTS, wanted, again=given.again or bool(given.networks), measure=measured)


def go_on(
    path: Path,
    subjects: Sequence[Subject],
    wanted: Sequence[Subject],
    *,
    again: bool,
    measure: Callable[[Subject], Row],
) -> None:
    """Measure what a file of results lacks of the subjects that are wanted, or all of those again.

    The file is written after each, in the order of the subjects.
    """
    known: dict[str, Row] = {}
    if path.exists():
        known = {row["network"]: row for row in json.loads(path.read_text())["results"]}
    for subject in wanted:
        if again or subject.name not in known:
            known[subject.name] = measure(subject)
            print(json.dumps(known[subject.name]), flush=True)
            write(path, [known[other.name] for other in subjects if other.name in known])


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write what is known so far: a run that is stopped leaves the file as it was, or whole."""
    whole = {"command": "make bench-public", "torch": torch.__version__, "threads": 1, "results": rows}
    ready = path.with_suffix(".new")
    ready.write_text(json.dumps(whole, indent=1) + "\n")
    ready.replace(path)


if __name__ == "__main__":
    main()
