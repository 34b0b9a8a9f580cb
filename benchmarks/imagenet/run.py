"""Networks of ImageNet in spikes, on photos: ``make bench-imagenet`` writes benchmarks/results/imagenet.json.

What a network comes to in a setting is kept below build/, so that a run that was stopped goes on; what stands in the
results is not measured again.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.family import figures
from benchmarks.imagenet.subjects import CALIBRATED, MEASURED, MEMBERS, SCREENED, SUBJECTS, Member, Subject
from canonic.network.storage import write_whole
from canonic.sweep import Outcome, sweep
from canonic.sweep.result import energies

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "imagenet.json"
FOLDER = ROOT / "build" / "imagenet"
FORMS = ("spiking", "spiking_sized", "source_fp32", "source_int8")

Row = dict[str, Any]


def main() -> None:
    """Measure what is not known yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--members", nargs="*", choices=MEMBERS, default=list(MEMBERS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    results = read(RESULTS)
    for name in asked.networks:
        for photos in (MEASURED, SCREENED):
            known = results["networks"].setdefault(name, {})
            wanted = {key: MEMBERS[key] for key in asked.members if MEMBERS[key].photos == photos}
            known |= measured(SUBJECTS[name], missing(wanted, known), photos, FOLDER / f"{name}-{photos}")
            keep(RESULTS, results)


def missing(wanted: Mapping[str, Member], known: Mapping[str, Row]) -> dict[str, Member]:
    """Return the members of which no row is known, or one of another setting or number of photos."""
    kinds = {key: (row["setting"], row["samples"]) for key, row in known.items()}
    return {
        key: member for key, member in wanted.items() if kinds.get(key) != (member.setting.to_json(), member.photos)
    }


def measured(subject: Subject, members: Mapping[str, Member], photos: int, folder: Path) -> dict[str, Row]:
    """Return what a network comes to in its members, all from one calibration."""
    if not members:
        return {}
    calibration, data = subject.photos(0, CALIBRATED), subject.photos(CALIBRATED, photos)
    settings = [member.setting for member in members.values()]
    found = sweep(subject.model(), calibration, data, settings, folder, progress=False)
    return {key: row(outcome) for key, outcome in zip(members, found.outcomes, strict=True)}


def row(outcome: Outcome) -> Row:
    """Return what the tables show of an outcome: its answers, its events and its energy.

    Raises:
        RuntimeError: if the network cannot be in this setting.
    """
    found = outcome.evaluation
    if found is None:
        raise RuntimeError(f"{outcome.setting}: {outcome.refused}")
    layers = found["spikes"]["layers"]
    return {
        "setting": outcome.setting.to_json(),
        "silent": found["network"]["k"],
        **figures(found),
        "most_overloaded_layer": max(layers, key=lambda name: layers[name]["overload_rate"]),
        "flips": found["accuracy"]["flips"],
        "energy": {form: energies(found, form) for form in FORMS if energies(found, form)},
    }


def read(path: Path) -> Row:
    """Return the results of a file, or what they begin with."""
    return dict(json.loads(path.read_text())) if path.exists() else {"networks": {}}


def keep(path: Path, results: Row) -> None:
    """Write the results, with the rows of each network in the order of the members."""
    networks = {name: _ordered(MEMBERS, results["networks"][name]) for name in _ordered(SUBJECTS, results["networks"])}
    whole = {**results, "command": "make bench-imagenet", "torch": torch.__version__, "networks": networks}
    write_whole(path, (json.dumps(whole, indent=1) + "\n").encode())


def _ordered(keys: Sequence[str] | Mapping[str, object], known: Mapping[str, Row]) -> dict[str, Row]:
    return {key: known[key] for key in keys if key in known}


if __name__ == "__main__":
    main()
