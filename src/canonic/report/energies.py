"""The honest comparison: every row of every energy model in words, losses as plainly as gains."""

from collections.abc import Callable, Mapping
from typing import Any

from canonic.measure.comparison import text_of_form
from canonic.report import charts
from canonic.report.markup import Chart, Section, accuracy_of, figure, is_other_code, items, paragraph, table
from canonic.words import NONE, Number, counted, microjoules, number, percent, times, words

Data = Mapping[str, Any]
SPIKING = "spiking"


def energy(evaluation: Data) -> Section:
    """Return every energy model: its chart, its table, and what it says in words."""
    estimated = evaluation.get("energy") or {}
    models = list((estimated.get("models") or {}).items())
    said = paragraph(
        f"{estimated.get('caveat') or 'No energy was estimated.'} The models differ in what they count, so each stands "
        "by itself, with all of its rows.",
        "note",
    )
    said += _samples_of(evaluation["baselines"])
    parts = "".join(
        f'<div class="model">{_model(index, name, model, _accuracies(evaluation))}</div>'
        for index, (name, model) in enumerate(models)
    )
    drawn = {f"energy-{index}": charts.energy(model) for index, (_, model) in enumerate(models)}
    operations, counted = _operations(evaluation)
    return Section("energy", "Energy: an honest comparison", said + parts + operations, drawn | counted)


def _samples_of(baselines: Data) -> str:
    if not baselines:
        return ""
    return paragraph(
        f"* Other codes are measured on {baselines['samples']:,} of the samples. There the accuracy of the spiking "
        f"network is {percent(baselines['spiking_accuracy'])}, and with this one theirs is compared.",
        "note",
    )


Accuracy = Callable[[Data], Number | None]
"""The accuracy of the spiking network on the samples on which a row was measured."""


def _accuracies(evaluation: Data) -> Accuracy:
    accuracy, baselines = evaluation["accuracy"], evaluation["baselines"]

    def comparable(row: Data) -> Number | None:
        measured = baselines.get("spiking_accuracy") if is_other_code(row) else accuracy and accuracy["network"]
        found: Number | None = measured
        return found

    return comparable


def _model(index: int, name: str, model: Data, comparable: Accuracy) -> str:
    own, others = split(model)
    known = any(row["accuracy"] is not None for row in model["rows"])
    headings = ("network", *(["accuracy"] * known), "compute µJ", "memory µJ", "total µJ", "spiking takes")
    rows = [
        (
            text_of_form(row),
            *([accuracy_of(row)] * known),
            *(microjoules(row[key]) for key in ("compute", "memory", "total")),
            NONE if row is own or own is None else _ratio(own, row),
        )
        for row in model["rows"]
    ]
    text = f"Energy of a sample{', and the accuracy that it buys' * known}. Costs: {model['source']}."
    constants = f"<details><summary>Its constants, in picojoules</summary>{_constants(name, model)}</details>"
    marked = [i for i, row in enumerate(model["rows"]) if row is own]
    counted = table(f"Energy by the model {name}", headings, rows, marked=marked)
    drawn = figure(f"energy-{index}", f"Model {name}.", text)
    return drawn + counted + _verdict(name, own, others, comparable) + constants


def _constants(name: str, model: Data) -> str:
    rows = [
        (
            words(kind),
            ", ".join(f"{words(key)}: {number(cost)}" for key, cost in value.items())
            if isinstance(value, Mapping)
            else number(value),
        )
        for kind, value in model["constants"].items()
    ]
    return table(f"Costs of the model {name}", ("", "pJ"), rows)


def _verdict(name: str, own: Data | None, others: list[Data], comparable: Accuracy) -> str:
    """Return in words against what the spiking network loses, first, and against what it wins."""
    if own is None or not others:
        return ""
    lost = [row for row in others if own["total"] > row["total"]]
    share = f"{len(lost)} of {counted(len(others), 'other')}"
    said = f"By the model {name} the spiking network takes more energy than {share}:"
    rows = sorted(others, key=lambda row: row["total"])
    return paragraph(said) + items(((_kind(own, row), _in_words(own, row, comparable(row))) for row in rows), "verdict")


def _kind(own: Data, other: Data) -> str:
    return "lost" if own["total"] > other["total"] else "won"


def _in_words(own: Data, other: Data, accuracy: Number | None) -> str:
    """Return one comparison, with the difference to the accuracy of the spiking network on the same samples."""
    text = f"{'a loss' if _kind(own, other) == 'lost' else 'a gain'}: {_versus(own, other)}"
    if accuracy is None or other["accuracy"] is None:
        return text
    return f"{text}; spiking is {_points(accuracy - other['accuracy'])}"


def _points(difference: Number) -> str:
    """Return a difference between two accuracies, in words.

    >>> _points(-0.0020), _points(0.01), _points(0.00001)
    ('0.20 points less accurate', '1.00 points more accurate', 'as accurate')
    """
    points = f"{abs(100 * difference):.2f}"
    return f"{points} points {'more' if difference > 0 else 'less'} accurate" if float(points) else "as accurate"


def _versus(own: Data, other: Data) -> str:
    """Return how the spiking network compares with another row, in words."""
    joint = "as" if _ratio(own, other) == "as much" else "than"
    return f"{_ratio(own, other)} {joint} {text_of_form(other)}"


def _ratio(own: Data, other: Data) -> str:
    return times(own["total"] / other["total"]) if other["total"] else NONE


def split(model: Data) -> tuple[Data | None, list[Data]]:
    """Return the row of the spiking network, and all others."""
    own = next((row for row in model["rows"] if row["id"] == SPIKING), None)
    return own, [row for row in model["rows"] if row is not own]


def _operations(evaluation: Data) -> tuple[str, dict[str, Chart]]:
    layers = {n: x for n, x in evaluation["operations"]["layers"].items() if x["ACs"] + x["MACs"] > 0}
    rows = [
        (name, number(x["ACs"]), number(x["MACs"]), number(x["dense_ACs"] + x["dense_MACs"]))
        for name, x in layers.items()
    ]
    headings = ("node", "additions (ACs)", "multiplications (MACs)", "if every input were there at every step")
    counted = table("Operations of each node, mean of a sample", headings, rows)
    text = "Additions of a weight for a spike, and multiplications where the input is no spike; mean of a sample."
    chart = charts.bars({name: x["ACs"] + x["MACs"] for name, x in layers.items()}, "operations", ".3~s")
    return figure("operations", "Operations of each node.", text, counted), {"operations": chart}
