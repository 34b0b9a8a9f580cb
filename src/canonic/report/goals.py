"""The section of a report on a goal: what was asked for, what a search has seen, and why the network is what it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from canonic.network.graph import Precision
from canonic.network.table import why_chosen
from canonic.report.charts import MINUS, SOURCE, SPIKING, chart
from canonic.report.markup import Chart, Section, figure, paragraph, table
from canonic.words import counted, decibels, number, percent, whole

Data = Mapping[str, Any]

SCREENED, REACHED, MISSED = "screened alone", "tried whole: reached", "tried whole: missed"
COLOURS = {SCREENED: SOURCE, REACHED: SPIKING, MISSED: MINUS}


def goal(told: Data, precision: Precision) -> Section:
    """Return what a search for a goal has seen, from the record of a network that now has some precision."""
    judged = "nothing was fitted to them" if told["fresh"] else "the network was fitted to them, as there are no others"
    about = f"Chosen: {why_chosen(told, precision)}. It was judged on {counted(told['held_out'], 'sample')}; {judged}."
    return Section("goal", "Goal", paragraph(about) + _figure(told), {"front": _front(told)})


def _figure(told: Data) -> str:
    whats = [demand["what"] for demand in told["demands"]]
    headings = ("code", "total steps", "bits", "events", *whats, "room")
    rows = [_row(row, whats) for row in told["seen"]]
    found = table("Networks that were tried whole", headings, rows, marked=[told["chosen"]])
    text = (
        "What populations lose, each by itself, against the cost: for members of the family of which no cheaper one "
        "loses as little, and for the networks that were tried. Room: by how much errors could grow until the goal is "
        "missed."
    )
    return figure("front", "The front that was seen.", text, found)


def _row(row: Data, whats: Sequence[str]) -> tuple[str, ...]:
    values = (_value(what, row["values"][what]) for what in whats)
    name = row["code"] + (f", {counted(row['others'], 'population')} otherwise" if row["others"] else "")
    sizes = (str(row["total_steps"]), str(row["event_bits"]), whole(row["events"]))
    return (name, *sizes, *values, decibels(row["room_db"]))


def _value(what: str, value: float) -> str:
    if what.startswith("SNR"):
        return decibels(value)
    return number(value) if what == "loss" else percent(value)


def _front(told: Data) -> Chart:
    """Return the screened members and the networks that were tried, by cost and by what populations lose."""
    events = told["asked"].get("minimise") in ("events", "energy")
    cost, title = ("events", "events a sample") if events else ("total_steps", "total steps")
    kinds = [(point, SCREENED) for point in told["front"]]
    kinds += [(row, REACHED if row["reached"] else MISSED) for row in told["seen"]]
    rows = [{"cost": point[cost], "ratio": -point["noise_db"], "kind": kind} for point, kind in kinds]
    axis = {"grid": False, "tickMinStep": 1, "format": "~s"}
    x = {"field": "cost", "type": "quantitative", "title": title, "scale": {"zero": False}, "axis": axis}
    y = {"field": "ratio", "type": "quantitative", "title": "signal to noise of populations (dB)"}
    colour = {"field": "kind", "type": "nominal", "legend": {"orient": "top", "title": None}}
    colour["scale"] = {"domain": list(COLOURS), "range": list(COLOURS.values())}
    tips = [{"field": "kind"}, {"field": "cost", "title": title}, {"field": "ratio", "format": ".1f", "title": "dB"}]
    mark = {"type": "point", "filled": True, "size": 60, "opacity": 1}
    return chart(
        300,
        {"data": {"values": rows}, "mark": mark, "encoding": {"x": x, "y": y, "color": colour, "tooltip": tips}},
    )
