"""How a network was trained: its loss and its accuracy, epoch by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

from canonic.report.charts import SOURCE, SPIKING, Spec, chart
from canonic.report.markup import Chart, Section, figure, paragraph, table
from canonic.words import NONE, Number, counted, number, percent

Data = Mapping[str, Any]


def training(history: Data) -> Section:
    """Return the history of a training, as ``History.to_json()`` made it."""
    epochs = history["epochs"]
    rows = [(str(at), *_row(epoch)) for at, epoch in enumerate(epochs, 1)]
    headings = ("epoch", "loss", "accuracy while it learned", "validation loss", "validation accuracy")
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
        ("loss", "Loss.", "Mean over the samples while the weights changed, and over validation samples."),
        ("accuracy", "Accuracy.", "Of the training samples while the weights changed, and of validation samples."),
    ):
        if values := _course(epochs, key):
            body += figure(key, title, text, "" if drawn else found)
            drawn[key] = _lines(values, unit="%" if key == "accuracy" else "")
    return Section("training", "Training", body, drawn)


def _row(epoch: Data) -> tuple[str, ...]:
    measures = epoch["measures"]
    losses, shares = (
        (measures.get("loss"), epoch.get("validation_loss")),
        (measures.get("accuracy"), epoch["validation"]),
    )
    loss, held_loss = (NONE if value is None else number(value, 4) for value in losses)
    share, held_share = (NONE if value is None else percent(value) for value in shares)
    return loss, share, held_loss, held_share


def _course(epochs: Sequence[Data], key: str) -> dict[str, list[float]]:
    """Return the values of a measure at each epoch, of the training and of the validation."""
    found = {"training": [epoch["measures"][key] for epoch in epochs if key in epoch["measures"]]}
    own = "validation" if key == "accuracy" else "validation_loss"
    found["validation"] = [epoch[own] for epoch in epochs if epoch.get(own) is not None]
    return {name: values for name, values in found.items() if values}


def _lines(series: Mapping[str, Sequence[Number]], *, unit: str) -> Chart:
    """Return lines over the epochs of a training, by what they are of; shares in %."""
    scale = 100 if unit == "%" else 1
    points = [
        {"epoch": epoch, "value": scale * value, "of": name}
        for name, values in series.items()
        for epoch, value in enumerate(values, 1)
    ]
    epochs = max(map(len, series.values()))
    ticks = list(range(1, epochs + 1, -(-epochs // 12)))
    value: Spec = {"field": "value", "type": "quantitative", "title": unit, "scale": {"zero": False}}
    of: Spec = {"field": "of", "type": "nominal", "title": None, "scale": {"range": [SPIKING, SOURCE]}}
    return chart(
        220,
        {
            "data": {"values": points},
            "mark": {"type": "line", "strokeWidth": 2.5, "point": {"size": 30}},
            "encoding": {
                "x": {"field": "epoch", "type": "quantitative", "axis": {"values": ticks, "grid": False}},
                "y": value,
                "color": of,
                "tooltip": [{"field": "of"}, {"field": "epoch"}, {"field": "value", "format": ".4g"}],
            },
        },
    )
