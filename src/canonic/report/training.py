"""How a network was trained: its loss and its accuracy, epoch by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

from canonic.report.charts import course
from canonic.report.markup import Chart, Section, figure, paragraph, table
from canonic.words import NONE, counted, number, percent

Data = Mapping[str, Any]


def training(history: Data) -> Section:
    """Return the history of a training, as ``History.to_json()`` made it."""
    epochs = history["epochs"]
    rows = [(str(at), *_row(epoch)) for at, epoch in enumerate(epochs, 1)]
    headings = ("epoch", "loss", "accuracy while it learned", "validation accuracy")
    found = table("Every epoch", headings, rows, marked=[history["chosen"] - 1])
    samples, seed = history["record"]["data"]["samples"], history["record"]["recipe"]["seed"]
    seconds = sum(epoch["seconds"] for epoch in epochs)
    said = (
        f"{counted(len(epochs), 'epoch')} of {counted(samples, 'sample')}, seed {seed}, in {number(seconds, 3)} "
        f"seconds of the processor. The weights are those of epoch {history['chosen']}, chosen on "
        f"{history['chosen_on']}."
    )
    body, drawn = paragraph(said), dict[str, Chart]()
    for key, title, text in (
        ("loss", "Loss.", "Mean over the samples while the weights changed."),
        ("accuracy", "Accuracy.", "Of the training samples while the weights changed, and of validation samples."),
    ):
        if values := _course(epochs, key):
            body += figure(key, title, text, "" if drawn else found)
            drawn[key] = course(values, unit="%" if key == "accuracy" else "")
    return Section("training", "Training", body, drawn)


def _row(epoch: Data) -> tuple[str, ...]:
    measures = epoch["measures"]
    known = [measures.get("accuracy"), epoch["validation"]]
    return (
        NONE if "loss" not in measures else number(measures["loss"], 4),
        *(NONE if share is None else percent(share) for share in known),
    )


def _course(epochs: Sequence[Data], key: str) -> dict[str, list[float]]:
    """Return the values of a measure at each epoch, of the training and of the validation."""
    found = {"training": [epoch["measures"][key] for epoch in epochs if key in epoch["measures"]]}
    if key == "accuracy":
        found["validation"] = [epoch["validation"] for epoch in epochs if epoch["validation"] is not None]
    return {name: values for name, values in found.items() if values}
