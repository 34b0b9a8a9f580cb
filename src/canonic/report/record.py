"""What is needed to make the same network and the same figures again."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from canonic.report.markup import Section, paragraph, table
from canonic.words import counted, words

Data = Mapping[str, Any]


def parts_of(evaluation: Data, verification: Data | None, shown: int, origins: Mapping[str, str]) -> dict[str, str]:
    """Return which data each part of a report is of.

    Args:
        evaluation: that the figures are of.
        verification: that the layers are of; None if they were compared with nothing.
        shown: samples in the explorer.
        origins: the name of the data of "figures", "layers" and "explorer", where it is known.

    >>> data = {"data": {"samples": 10_000, "sha256": "a1b2c3d4e5f6a7b8"}}
    >>> parts_of(data, {"samples": 100}, 0, {"layers": "digits"})
    {'figures': '10,000 samples, SHA-256 a1b2c3d4e5f6', 'layers': '100 samples of digits'}
    """
    layers = verification["samples"] if verification else 0
    counts = {"figures": evaluation["data"]["samples"], "layers": layers, "explorer": shown}
    parts = {
        part: counted(count, "sample") + (f" of {origins[part]}" if part in origins else "")
        for part, count in counts.items()
        if count
    }
    return {**parts, "figures": f"{parts['figures']}, SHA-256 {evaluation['data']['sha256'][:12]}"}


CONVERTED = (
    "Conversion has no chance in it: the same weights, calibration samples, settings and versions give the same "
    "network, and the same fingerprint."
)
TRAINED = "The same data, recipe, seed and versions, on one thread, give the same network, and the same fingerprint."


def record(evaluation: Data, verification: Data | None, description: Data, parts: Mapping[str, str]) -> Section:
    """Return the record of the conversion or the training, the data and the figures, and all of it as JSON."""
    rows = [(name, _text(value)) for name, value in _facts(evaluation, description, parts)]
    made = "training" if "training" in description else "conversion"
    body = paragraph(TRAINED if made == "training" else CONVERTED)
    body += table(f"Record of the {made} and the evaluation", ("", "value"), rows)
    for title, data in (("evaluation", evaluation), ("verification", verification), ("network", description)):
        if data is None:
            continue
        text = escape(json.dumps(data, indent=1, ensure_ascii=False, default=str))
        body += f"<details><summary>All of the {title} as JSON</summary><pre tabindex='0'>{text}</pre></details>"
    return Section("record", "Record", body)


def _facts(evaluation: Data, description: Data, parts: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    network, data = evaluation["network"], evaluation["data"]
    yield "fingerprint of the network (SHA-256)", network["fingerprint"]
    yield "precision", network["precision"]
    yield "samples evaluated", f"{data['samples']:,}" + ("" if data["complete"] else " (not all)")
    yield "hash of the data of the figures (SHA-256)", data["sha256"]
    yield from ((f"data of the {part}", text) for part, text in parts.items())
    yield "samples that are known to have calibrated the network or trained it", f"{data['calibrated']:,}"
    for name, value in evaluation.get("made", {}).items():
        yield f"evaluation: {name}", value
    if "training" not in description:
        yield "seed", "none: no random numbers are drawn"
    told = {"populations", "neurons", "depth", "total_steps", "precision", "repair_db", "goal", "row"}
    for name, value in description.items():
        if name not in told:
            yield from _flat(_named(name, description), value)


def _named(name: str, description: Data) -> str:
    made = "training" if "training" in description else "conversion"
    return made if name == "made" else words(name)


OF_LAYERS = {"dead channels"}
"""Facts that have a value for each layer: one row says them all."""


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield nested facts one by one, their names joined; what has a section of its own is left out."""
    if name == "training: epochs":
        return
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
