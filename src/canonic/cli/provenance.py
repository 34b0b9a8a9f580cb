"""Where a network and its measures come from: the command, the date, the files, as part of their records."""

import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from canonic.cli.trying import Source
    from canonic.datasets import Data
    from canonic.network import SpikingNetwork

SHOWN = 12
"""Digits of a hash that are enough to tell two files apart."""


def remembering(
    snn: "SpikingNetwork", model: object, calibrated: "Data", source: "Source", names: Sequence[str]
) -> "SpikingNetwork":
    """Return a network that remembers where it comes from, its preprocessing and its classes: later commands need them.

    Args:
        snn: that was converted.
        model: from which.
        calibrated: on which data.
        source: what all of these were called.
        names: of its classes; those that are known if there are none.
    """
    from canonic.cli.classes import kept_names

    known = {
        "preprocessing": asdict(source.prepare),
        "classes": list(names) or kept_names(model, snn, calibrated, source.calibration),
        "weights": {**snn.record["weights"], **weights_from(source.model, source.weights)},
        "made": made(source.calibration),
    }
    return replace(snn, record={**snn.record, **known})


def made(data: str) -> dict[str, str]:
    """Return the command that runs, the date in UTC, and the name of the data."""
    command = shlex.join(["canonic", *sys.argv[1:]])
    return {"command": command, "date": datetime.now(UTC).isoformat(timespec="seconds"), "data": data}


def weights_from(model: str, weights: Path | None) -> dict[str, str]:
    """Return the name of the file that weights come from, and its SHA-256 hash; nothing if they come from none."""
    file = weights or (Path(model) if model.endswith(".pt2") else None)
    if file is None:
        return {}
    with file.open("rb") as stream:
        return {"file": str(file), "file_sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def told(record: Mapping[str, Any]) -> list[str]:
    """Return what the record of a network says of where it comes from, in a sentence or none.

    >>> calibration = {"samples": 1000, "sha256": 64 * "a"}
    >>> told({"calibration": calibration, "made": {"date": "2026-01-02T03:04:05+00:00", "data": "digits:train"}})
    ['converted 2026-01-02, calibrated on 1,000 samples of digits:train (SHA-256 aaaaaaaaaaaa)']
    """
    calibration, weights, how = (record.get(key, {}) for key in ("calibration", "weights", "made"))
    if row := record.get("row"):
        return _trained(row)
    if not calibration:
        return []
    date = f" {how['date'][:10]}" if how else ""
    name = f" of {how['data']}" if how else ""
    file = f" with the weights {weights['file']} ({_hash(weights['file_sha256'])})" if "file" in weights else ""
    samples = f"{calibration['samples']:,} samples{name} ({_hash(calibration['sha256'])})"
    return [f"converted{date}{file}, calibrated on {samples}"]


def _trained(row: Mapping[str, Any]) -> list[str]:
    """Return what a network was trained as, and where it was converted how often it answers as what was trained."""
    agreement, samples = row.get("agreement"), f"{row['samples']:,} samples of {row['data']}"
    same = "" if agreement is None else f"{100 * agreement:.2f} % of its answers to {samples} are those of the network "
    said = f"; {same}that was trained, of which the source above is the form that does not round" if same else ""
    return [f"trained as {row['system']}, seed {row['seed']}, {row['epochs']} epochs{said}"]


def _hash(digits: str) -> str:
    return f"SHA-256 {digits[:SHOWN]}"
