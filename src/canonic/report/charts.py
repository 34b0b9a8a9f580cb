"""The charts of a report as Vega-Lite specifications: plain data, with the colours of the style sheet."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canonic.measure.comparison import text_of_form
from canonic.report.axes import Range, shares, span
from canonic.report.markup import Chart, accuracy_of
from canonic.words import Number, microjoules, percent

Data = Mapping[str, Any]
Spec = dict[str, Any]
"""A part of a specification."""

SPIKING, SOURCE, MUTED, PLUS, MINUS = "var(--spiking)", "var(--source)", "var(--muted)", "var(--plus)", "var(--minus)"
SHORT = "length(datum.label) > 23 ? slice(datum.label, 0, 9) + '…' + slice(datum.label, -13) : datum.label"
"""Layers are told apart by how their names begin, as layers.4, and how they end."""


def _scale(ends: Range) -> Spec:
    return {"domain": list(ends), "nice": False}


STROKE = "M0,-1.1V1.1"
"""The path of a point that is an upright stroke."""


def by_step(values: Sequence[Number | None], *, source: Number | None, unit: str, label: str) -> Chart:
    """Return a line over the steps of the network, with that of the source network and the steps without an answer.

    Args:
        values: at each step from 1 on; None where there is no answer yet.
        source: of the source network, in the same unit; no line if None.
        unit: "%" of shares, or of the values as they are.
        label: of the axis.
    """
    scale = 100 if unit == "%" else 1
    points = [{"step": step, "value": scale * v} for step, v in enumerate(values, 1) if v is not None]
    waiting = len(values) - len(points)
    step: Spec = {"field": "step", "type": "quantitative", "title": "step"}
    ticks = list(range(1, len(values) + 1, -(-len(values) // 12)))
    step |= {"axis": {"values": ticks, "labelOverlap": True, "grid": False}}
    step |= {"scale": {"domain": [0.5, len(values) + 0.5], "nice": False}}
    value: Spec = {"field": "value", "type": "quantitative", "title": f"{label} ({unit})"}
    drawn = [point["value"] for point in points] + ([] if source is None else [scale * source])
    value |= {"scale": _scale(shares(drawn) if unit == "%" else span(drawn, 6))}
    tips = [{"field": "step"}, {"field": "value", "title": label, "format": ".2f"}]
    layers = [
        *([_waiting(waiting, step)] if waiting else ()),
        *(_rule(scale * source, f"source {percent(source)}", value) if source is not None else ()),
        {
            "data": {"values": points},
            "mark": {"type": "line", "color": SPIKING, "strokeWidth": 2.5, "point": {"color": SPIKING, "size": 45}},
            "encoding": {"x": step, "y": value, "tooltip": tips},
        },
    ]
    return chart(280, {"layer": layers})


def _waiting(steps: int, axis: Data) -> Chart:
    """Return the layer that shades the steps at which there is no answer yet."""
    return {
        "data": {"values": [{"step": 0.5, "end": steps + 0.5}]},
        "mark": {"type": "rect", "color": "var(--shade)"},
        "encoding": {"x": axis, "x2": {"field": "end"}},
    }


def _rule(value: Number, name: str, axis: Data) -> Iterable[Chart]:
    """Yield the layers of a named line across the chart."""
    data = {"values": [{"value": value}]}
    line = {"type": "rule", "color": SOURCE, "strokeDash": [5, 4], "strokeWidth": 1.5}
    yield {"data": data, "mark": line, "encoding": {"y": axis}}
    text: Spec = {
        "type": "text",
        "align": "left",
        "baseline": "bottom",
        "dx": 8,
        "dy": -4,
        "color": SOURCE,
        "text": name,
    }
    yield {"data": data, "mark": text, "encoding": {"y": axis, "x": {"value": 0}}}


def against_codes(evaluation: Data) -> Chart:
    """Return accuracy against steps (logarithmic), that of a rate code and of a quantised network beside it.

    All of it is of the samples on which the other codes were measured.
    """
    baselines = evaluation["baselines"]
    quantised, rate = baselines["quantised"], baselines["rate"]
    serial, parallel = "quantised, bit-serial, layer by layer", "quantised, one pass a layer"
    rows = _points("this network", baselines["spiking_accuracy_by_step"])
    rows += _points("rate code", rate["accuracy_by_step"])
    for name, steps in ((serial, quantised["total_steps"]), (parallel, evaluation["network"]["depth"])):
        rows.append({"code": name, "step": steps, "value": 100 * quantised["accuracy"]})
    domain = ["this network", "rate code", serial, parallel]
    colours = [SPIKING, MINUS, SOURCE, MUTED]
    step: Spec = {"field": "step", "type": "quantitative", "title": "step (logarithmic)", "axis": {"grid": False}}
    step |= {"scale": {"type": "log", "base": 2}}
    value: Spec = {"field": "value", "type": "quantitative", "title": "accuracy (%)"}
    value |= {"scale": _scale(shares([row["value"] for row in rows] + [100 * baselines["source_accuracy"]]))}
    code: Spec = {"field": "code", "type": "nominal", "scale": {"domain": domain, "range": colours}}
    code |= {"legend": {"orient": "top", "title": None, "direction": "vertical", "labelLimit": 300}}
    tips = [{"field": "code"}, {"field": "step"}, {"field": "value", "title": "accuracy (%)", "format": ".2f"}]
    encoding: Spec = {"x": step, "y": value, "color": code, "tooltip": tips}
    lines: Spec = {"mark": {"type": "line", "strokeWidth": 2.5}, "encoding": encoding}
    points: Spec = {"mark": {"type": "point", "filled": True, "size": 45, "opacity": 1}, "encoding": encoding}
    points |= {"transform": [{"filter": "datum.code !== 'rate code'"}]}
    source = _rule(100 * baselines["source_accuracy"], f"source {percent(baselines['source_accuracy'])}", value)
    return chart(350, {"data": {"values": rows}, "layer": [*source, lines, points]})


def _points(code: str, values: Sequence[Number | None]) -> list[dict[str, Any]]:
    return [{"code": code, "step": s, "value": 100 * v} for s, v in enumerate(values, 1) if v is not None]


ERRORS = {"snr": "measured", "expected": "inherited and rounded", "own": "made by this layer alone"}
"""The errors of a layer in a verification, in words."""


def error_per_layer(verification: Data) -> Chart:
    """Return the signal-to-noise ratio of each layer beside what it inherits and rounds, in dB."""
    rows = [
        {"layer": layer["name"], "kind": kind, "value": layer[key]}
        for layer in verification["layers"]
        for key, kind in ERRORS.items()
        if layer[key] is not None
    ]
    kind: Spec = {"field": "kind", "type": "nominal"}
    kind |= {"legend": {"orient": "top", "title": None, "direction": "vertical", "labelLimit": 300}}
    colours: Spec = {"scale": {"domain": list(ERRORS.values()), "range": [SPIKING, SOURCE, MUTED]}}
    shapes: Spec = {"scale": {"domain": list(ERRORS.values()), "range": ["circle", STROKE, "diamond"]}}
    looks: Spec = {"fill": kind | colours, "stroke": kind | colours, "shape": kind | shapes}
    value: Spec = {"field": "value", "type": "quantitative", "title": "signal to noise (dB): higher is better"}
    value |= {"axis": {"tickCount": 6}, "scale": _scale(span([row["value"] for row in rows], 6))}
    tips = [{"field": "layer"}, {"field": "kind"}, {"field": "value", "title": "dB", "format": ".1f"}]
    names = [layer["name"] for layer in verification["layers"]]
    mark: Spec = {"type": "point", "size": 60, "opacity": 1, "strokeWidth": 1.5}
    encoding: Spec = {
        "y": _layers(names),
        "x": value,
        **looks,
        "tooltip": tips,
    }
    return chart(_height(len(names)) + 60, {"data": {"values": rows}, "mark": mark, "encoding": encoding})


def spikes_per_step(evaluation: Data, sign: str) -> Chart:
    """Return a map of the spikes of one sign ("positive" or "negative") of a neuron, by layer and digit."""
    layers = evaluation["spikes"]["layers"]
    most = max((max(_per_neuron(x, s)) for x in layers.values() for s in ("positive", "negative")), default=1) or 1
    rows = [
        {"layer": name, "digit": digit, "value": value}
        for name, layer in layers.items()
        for digit, value in enumerate(_per_neuron(layer, sign), 1)
    ]
    colour: Spec = {"field": "value", "type": "quantitative", "title": "spikes per neuron"}
    colour |= {"scale": {"domain": [0, most], "range": ["var(--shade)", PLUS if sign == "positive" else MINUS]}}
    colour["scale"] |= {"interpolate": "rgb"}
    ends = {"values": [0, most], "format": ".2~r"}  # two labels, which never touch
    colour |= {"legend": {"orient": "top", "gradientLength": 150, "gradientThickness": 8, **ends}}
    tips = [{"field": "layer"}, {"field": "digit"}, {"field": "value", "title": "spikes per neuron", "format": ".4f"}]
    digit: Spec = {"field": "digit", "type": "ordinal", "title": "digit", "axis": {"labelAngle": 0, "grid": False}}
    encoding: Spec = {"y": _layers(list(layers)), "x": digit, "color": colour, "tooltip": tips}
    mark: Spec = {"type": "rect", "stroke": "var(--surface)", "strokeWidth": 1}
    return chart(_height(len(layers)) + 45, {"data": {"values": rows}, "mark": mark, "encoding": encoding})


def _per_neuron(layer: Data, sign: str) -> list[Number]:
    return [count / max(1, layer["neurons"]) for count in layer[sign]]


def bars(values: Mapping[str, Number], label: str, unit_format: str, colour: str = SPIKING) -> Chart:
    """Return a bar for each layer, with its value beside it."""
    rows = [{"layer": name, "value": value} for name, value in values.items()]
    most = max(values.values(), default=0) or 1
    value: Spec = {"field": "value", "type": "quantitative", "title": label, "scale": {"domain": [0, 1.18 * most]}}
    value |= {"axis": {"tickCount": 5, **({"format": unit_format} if unit_format.endswith("s") else {})}}
    tips = [{"field": "layer"}, {"field": "value", "title": label, "format": unit_format}]
    shared: Spec = {"y": _layers(list(values)), "x": value, "tooltip": tips}
    text: Spec = {"text": {"field": "value", "format": unit_format}}
    bar: Spec = {
        "mark": {"type": "bar", "color": colour, "height": {"band": 0.68}, "cornerRadiusEnd": 2},
        "encoding": shared,
    }
    beside: Spec = {"type": "text", "align": "left", "dx": 4, "color": MUTED, "fontSize": 10}
    return chart(
        _height(len(rows)), {"data": {"values": rows}, "layer": [bar, {"mark": beside, "encoding": shared | text}]}
    )


def energy(model: Data) -> Chart:
    """Return the energy of each network in one model, split into compute and memory, the accuracy beside it."""
    rows = [{**row, "network": text_of_form(row)} for row in model["rows"]]
    parts = [
        {"network": row["network"], "part": part, "value": row[part], "order": order}
        for row in rows
        for order, part in enumerate(("compute", "memory"))
        if row[part] is not None
    ]
    ends = [{"network": r["network"], "total": r["total"], "text": _end(r)} for r in rows]
    most = max((row["total"] for row in rows), default=1) or 1
    y: Spec = {"field": "network", "type": "nominal", "sort": [row["network"] for row in rows], "axis": None}
    x: Spec = {"type": "quantitative", "title": "µJ per sample", "scale": {"domain": [0, 1.75 * most], "nice": False}}
    x |= {"axis": {"grid": False, "tickCount": 4, "labelOverlap": True}}
    kinds = {"compute": SPIKING, "memory": "var(--memory)"} if any(p["part"] == "memory" for p in parts) else {}
    colour: Spec = {"field": "part", "type": "nominal", "legend": {"orient": "top", "title": None} if kinds else None}
    colour |= {"scale": {"domain": list(kinds or ["compute"]), "range": list(kinds.values()) or [SPIKING]}}
    tips = [{"field": "network"}, {"field": "part"}, {"field": "value", "title": "µJ", "format": ".4~g"}]
    bar: Spec = {
        "data": {"values": parts},
        "mark": {"type": "bar", "height": 13, "yOffset": 10},
        "encoding": {"y": y, "x": x | {"field": "value", "stack": "zero"}, "color": colour, "tooltip": tips}
        | {"order": {"field": "order", "type": "quantitative"}},
    }
    words: Spec = {"type": "text", "align": "left", "baseline": "middle", "fontSize": 12}
    name: Spec = {"mark": words | {"yOffset": -6, "color": "var(--ink)"}, "encoding": {"text": {"field": "network"}}}
    end: Spec = {"mark": words | {"yOffset": 10, "dx": 6, "color": MUTED}, "encoding": {"text": {"field": "text"}}}
    name["encoding"] |= {"y": y, "x": {"value": 0}}
    end["encoding"] |= {"y": y, "x": x | {"field": "total"}}
    return chart(46 * len(rows) + 75, {"layer": [bar, *({"data": {"values": ends}} | t for t in (name, end))]})


def _end(row: Data) -> str:
    return f"{microjoules(row['total'], 3)} µJ" + ("" if row["accuracy"] is None else f" · {accuracy_of(row)}")


def _layers(names: Sequence[str]) -> dict[str, Any]:
    axis: Spec = {"labelExpr": SHORT, "labelLimit": 170, "labelOverlap": True, "grid": False, "ticks": False}
    return {"field": "layer", "type": "nominal", "sort": list(names), "title": None, "axis": axis}


def _height(rows: int) -> int:
    """Return the pixels of a chart with a row for each layer."""
    return 60 + rows * (20 if rows <= 40 else 14)


def chart(height: int, spec: Data) -> Chart:
    """Return a specification of this height, as wide as its place."""
    return {"width": "container", "height": height, "autosize": {"type": "fit", "contains": "padding"}, **spec}
