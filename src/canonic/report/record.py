"""What is needed to make the same network and the same figures again."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from canonic.report.markup import Section, paragraph, table

Data = Mapping[str, Any]


def record(evaluation: Data, verification: Data, description: Data) -> Section:
    """Return the record of the conversion, the data and the figures, and all of it as JSON."""
    rows = [(name, _text(value)) for name, value in _facts(evaluation, description)]
    body = paragraph(
        "Conversion has no chance in it: the same weights, calibration samples, settings and versions give the same "
        "network, and the same fingerprint."
    )
    body += table("Record of the conversion and the evaluation", ("", "value"), rows)
    for title, data in (("evaluation", evaluation), ("verification", verification), ("network", description)):
        text = escape(json.dumps(data, indent=1, ensure_ascii=False, default=str))
        body += f"<details><summary>All of the {title} as JSON</summary><pre tabindex='0'>{text}</pre></details>"
    return Section("record", "Record", body)


def _facts(evaluation: Data, description: Data) -> Iterator[tuple[str, Any]]:
    network, data = evaluation["network"], evaluation["data"]
    yield "fingerprint of the network (SHA-256)", network["fingerprint"]
    yield "precision", network["precision"]
    yield "samples evaluated", f"{data['samples']:,}" + ("" if data["complete"] else " (not all)")
    yield "hash of the data (SHA-256)", data["sha256"]
    yield "seed", "none: no random numbers are drawn"
    told = {"populations", "neurons", "depth", "total steps", "precision", "repair dB"}
    for name, value in description.items():
        if name not in told:
            yield from _flat(name, value)


OF_LAYERS = {"dead channels"}
"""Facts that have a value for each layer: one row says them all."""


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield nested facts one by one, their names joined."""
    if isinstance(value, Mapping) and value and name not in OF_LAYERS:
        for key, inner in value.items():
            yield from _flat(f"{name}: {key}", inner)
    else:
        yield name, value


def _text(value: Any) -> str:
    if value is None or value == {} or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)
