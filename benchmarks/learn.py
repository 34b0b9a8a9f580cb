"""Every trained system beside the network of its shape without time: ``python -m benchmarks.learn``.

A row is a system on a data set with a seed, and a file of its own under ``results/learn``; one that is there is not
made again. A training that was stopped goes on from its last whole epoch, under ``build/learn``. ``--quick`` trains
each on scikit-learn's digits, in some minutes.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.tables import replaced, rows
from canonic.learn.zoo import Entry, entry, names
from canonic.learn.zoo.samples import Samples, samples_of
from canonic.learn.zoo.training import begin_again, train
from canonic.measure.table import HEADINGS, Row, row_of, table
from canonic.network.storage import write_json

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
RESULTS, BUILD = ROOT / "benchmarks" / "results" / "learn", ROOT / "build" / "learn"
PAGE, README = ROOT / "docs" / "systems.md", ROOT / "README.md"
SEEDS = (0, 1, 2)
COMMAND = "python -m benchmarks.learn --systems {} --data {} --seeds {}"

DATA = {
    "digits": ("pictures", "digits"),
    "fashion-mnist": ("pictures", str(SHARED / "fashion-mnist" / "train-images-idx3-ubyte.gz")),
    "mnist": ("pictures", str(SHARED / "mnist" / "train-images-idx3-ubyte.gz")),
    "ecg-qtdb": ("sequences", str(SHARED / "ecg-qtdb" / "qtdb-srnn.npz")),
    "spotting": ("sequences", "spotting"),
    "nmnist-small": ("recordings", str(SHARED / "nmnist-small" / "nmnist-small.npz")),
}
"""Kind of samples and what to learn from, by what they are called; those to measure on are beside them."""

SHOWN = (
    *("css", "css-layers", "lif", "mpe", "first-to-spike", "hybrid-coding", "spike-time-once", "population", "desire"),
    *("dsr", "rank", "rank-spotting", "ide", "single-spike", "tandem-16", "yoso", "srnn", "stdb-low", "rel-psp"),
    *("rel-psp-windowed",),
)
"""Systems that the README shows, on the data that they are meant for; the page shows all."""
SHORT = (
    *("system", "after", "data", "accuracy %", "same-shape ANN %", "step of the answer", "spikes a neuron"),
    "energy uJ (ANN)",
)

MEANT = {"ecg-qtdb": "ECG of the QT database", "spotting": "spotting", "nmnist-small": "N-MNIST"}
"""What systems call the data that are for theirs alone."""

ON_MNIST = ("spike-time-once", "rel-psp", "rank")
"""Systems whose papers tell of MNIST and of none of the others here."""


def fits(known: Entry, data: str) -> bool:
    """Say whether a system is for some data."""
    if data == "mnist" and known.name not in ON_MNIST:
        return False
    return DATA[data][0] == known.kind and MEANT.get(data, known.data) == known.data


def there(data: str) -> bool:
    """Say whether some data are here; say so if they are not."""
    found = DATA[data][1] in ("digits", "spotting") or Path(DATA[data][1]).exists()
    if not found:
        print(f"{data}: left out, as there is no {DATA[data][1]}", flush=True)
    return found


def samples(known: Entry, data: str) -> Samples:
    """Return the samples of a row."""
    return samples_of(known, DATA[data][1])


def made(name: str, data: str, seed: int, again: bool) -> Row:
    """Return the row of a system on some data with a seed."""
    known, folder = entry(name), BUILD / f"{name}-{data}-{seed}"
    if again:
        begin_again(known, folder)
    own = samples(known, data)
    recipe = known.recipe_for(len(own.train), seed)
    found = train(known, own.train, recipe, folder=folder)
    return row_of(found, found.measurable(own.train), own.test, data)


def asked() -> argparse.Namespace:
    """Return what is to be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="digits alone, one seed")
    parser.add_argument("--again", action="store_true", help="make rows that are there, too")
    parser.add_argument("--systems", nargs="*", choices=names(), default=names())
    parser.add_argument("--data", nargs="*", choices=list(DATA), default=[data for data in DATA if data != "digits"])
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    given = parser.parse_args()
    if given.quick:
        given.data, given.seeds = ["digits"], [0]
    given.data = [data for data in given.data if there(data)]
    return given


def known_rows() -> Iterator[Row]:
    """Yield all rows that there are, in the order of the zoo."""
    for name in names():
        for file in sorted(RESULTS.glob(f"{name}-on-*.json")):
            yield json.loads(file.read_text())


def short(found: Sequence[Row]) -> Iterator[list[str]]:
    """Yield the cells of the README: one row for each of the systems that it shows."""
    chosen = [row for row in found if row["system"] in SHOWN and row["data"] not in ("digits", "mnist")]
    sources = {row["system"]: row["source"] for row in chosen}
    for cells in table(chosen):
        known = dict(zip(HEADINGS, cells, strict=True))
        told = {"system": f"`{known['system']}`", "after": sources[known["system"]]}
        yield [{**known, **told}[heading] for heading in SHORT]


def main() -> None:
    """Make what is not there, row by row, and write the tables."""
    given = asked()
    torch.set_num_threads(1)
    RESULTS.mkdir(exist_ok=True)
    for seed in given.seeds:
        for data in given.data:
            for name in given.systems:
                file = RESULTS / f"{name}-on-{data}-{seed}.json"
                if fits(entry(name), data) and (given.again or not file.exists()):
                    row = made(name, data, seed, given.again)
                    write_json(file, {"command": COMMAND.format(name, data, seed), **row})
                    print(name, data, seed, f"{100 * row['accuracy']:.2f} %", flush=True)
    found = list(known_rows())
    PAGE.write_text(replaced(PAGE.read_text(), "learn", rows(HEADINGS, table(found))))
    README.write_text(replaced(README.read_text(), "systems", rows(SHORT, short(found))))


if __name__ == "__main__":
    main()
