"""The record of a network: what is known of how it was made, as plain data."""

from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]


def known_samples(record: Record) -> Mapping[str, Any]:
    """Return the digest of the samples that calibrated a network, or trained it; empty if neither is known.

    >>> known_samples({"training": {"record": {"data": {"samples": 3}}, "epochs": []}})
    {'samples': 3}
    """
    trained: Mapping[str, Any] = record.get("training", {}).get("record", {}).get("data", {})
    return record.get("calibration") or trained


def shown(record: Record) -> dict[str, Any]:
    """Return a record without the hashes of single samples.

    >>> shown({"calibration": {"samples": 3, "hashes": "abc"}, "notes": ["hashes"]})
    {'calibration': {'samples': 3}, 'notes': ['hashes']}
    """
    return {
        name: shown(value) if isinstance(value, Mapping) else value
        for name, value in record.items()
        if name != "hashes"
    }
