"""What converts, and how well: ``make bench-coverage`` writes docs/coverage.md's tables and a JSON file.

Five parts, each of which can be run by itself (``--parts zoo trained``) and keeps the results of the others:
architectures of others (zoo), random networks (fuzz), trained networks (trained), correction at four digits (repair),
and the same small networks through the converters of others (peers).
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tests.zoo import ZOO

from benchmarks import fuzz, trained, zoo
from benchmarks.conversion import DEFAULT, measure_at
from benchmarks.peers.run import OWN, peers, start

RESULTS = Path(__file__).parent / "results" / "coverage.json"
REPAIR_TARGETS = {"resnet20": 94.0, "resnet56": 92.0}

Part = Callable[[argparse.Namespace], Any]


def zoo_rows(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Architectures of others with random weights, T = 8 and 12."""
    return [shown(zoo.measure(name, steps)) for name in ZOO for steps in zoo.GOALS]


def fuzz_counts(given: argparse.Namespace) -> dict[str, Any]:
    """Random networks, converted and checked or refused."""
    return shown(fuzz.fuzz(given.examples))


def trained_rows(given: argparse.Namespace) -> list[dict[str, Any]]:
    """The networks trained on Fashion-MNIST, T = 8."""
    return [shown(row) for row in trained.measure(count=given.pictures)]


def repair_rows(given: argparse.Namespace) -> list[dict[str, Any]]:
    """The trained ResNets at T = 4, k = 1: agreement with the source and its target."""
    rows = [row for name in REPAIR_TARGETS for row in measure_at(name, (DEFAULT,), given.pictures or 10_000, (4,))]
    return [{**row, "target": REPAIR_TARGETS[row["network"]]} for row in rows]


def peer_tables(given: argparse.Namespace) -> dict[str, Any]:
    """The same small networks through every converter."""
    return peers(given.peers) | start(Path(given.python), OWN)


PARTS: dict[str, Part] = {
    "zoo": zoo_rows,
    "fuzz": fuzz_counts,
    "trained": trained_rows,
    "repair": repair_rows,
    "peers": peer_tables,
}


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Print a row and return it."""
    print("  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
    return row


def main() -> None:
    """Measure the parts that are asked for, and write them beside the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--pictures", type=int, help="test pictures of trained networks, all if not given")
    parser.add_argument("--examples", type=int, default=2000, help="random networks")
    parser.add_argument("--peers", type=Path, default=Path(".venv-peers/bin/python"), help="python of that environment")
    parser.add_argument("--python", default=".venv/bin/python", help="python of canonic's own environment")
    given = parser.parse_args()
    for name in given.parts:
        begin = time.perf_counter()
        measured = PARTS[name](given)
        write(name, {"seconds": round(time.perf_counter() - begin), "threads": torch.get_num_threads()}, measured)
    print(f"written to {RESULTS}")


def write(part: str, run: dict[str, Any], measured: object) -> None:
    """Write the results of one part beside those of the others."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"command": "make bench-coverage"}
    known[part] = {**run, "torch": torch.__version__, "results": measured}
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
