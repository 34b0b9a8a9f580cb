"""The report of a network as one HTML page."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from canonic.measure.summary import calibrated
from canonic.report import energies, sections
from canonic.report.form import require_form
from canonic.report.frame import asset, framed
from canonic.report.glance import glance
from canonic.report.goals import goal
from canonic.report.markup import Section
from canonic.report.record import parts_of, record
from canonic.report.shown import ExplorerData
from canonic.report.training import training
from canonic.words import counted


def report(
    evaluation: Mapping[str, Any],
    verification: Mapping[str, Any] | None,
    description: Mapping[str, Any],
    explorer: ExplorerData | None = None,
    title: str = "Spiking network",
    origins: Mapping[str, str] | None = None,
) -> str:
    """Return the report of a network as the text of an HTML page, without any reference to the network.

    Args:
        evaluation: ``evaluate(...).to_json()``.
        verification: ``snn.verify(...).to_json()``; None of a network that was trained, which has no source.
        description: ``snn.describe()``.
        explorer: of a few samples; the page has no explorer without it.
        title: the name of the network.
        origins: the name of the data of the "figures" (the evaluation), the "layers" (the verification) and the
            "explorer", where it is known.

    Raises:
        DataError: if the evaluation has another form.
        CanonicError: if the library of the charts is not installed.
    """
    require_form(evaluation)
    data = parts_of(evaluation, verification, len(explorer.samples) if explorer else 0, origins or {})
    parts = [
        glance(evaluation),
        *([_explorer()] if explorer is not None and explorer.samples else ()),
        sections.figures(evaluation),
        sections.steps(evaluation),
        *([training(description["training"])] if "training" in description else ()),
        *([sections.error(verification)] if verification else ()),
        sections.spikes(evaluation),
        energies.energy(evaluation),
        *([sections.overload(evaluation, verification)] if verification else ()),
        *([goal(description["goal"], description["precision"])] if "goal" in description else ()),
        record(evaluation, verification, description, data),
    ]
    return framed(
        parts,
        title=title,
        subtitle=_subtitle(evaluation["network"], description),
        note=_sentence(data),
        warnings=_partial(evaluation["data"]) + _seen(evaluation["data"]),
        explorer=explorer.to_json() if explorer and explorer.samples else None,
    )


def _explorer() -> Section:
    return Section("explorer", "Explorer: one sample, step by step", asset("explorer.html"))


def _subtitle(network: Mapping[str, Any], description: Mapping[str, Any]) -> str:
    if not network["codes"]:
        return f"A trained system, {description['codes']}: {counted(network['neurons'], 'neuron')}"
    k = network["k"]
    silent = f"{k[0]} to {k[1]}" if isinstance(k, Sequence) else str(k)
    css = network["codes"] == ["css"]
    phi = f"phi = {description['code']['phi']:.3g}, " if css else ""
    code = "canonic signed spikes" if css else f"the code {' and '.join(network['codes'])}"
    return (
        f"A spiking network with {code}: T = {network['T']}, k = {silent}, {phi}depth {network['depth']}, "
        f"{counted(network['populations'], 'population')}, {counted(network['neurons'], 'neuron')}, "
        f"{network['precision']}"
    )


def _sentence(parts: Mapping[str, str]) -> str:
    """Return what each part is of, in one sentence."""
    text = "; ".join(f"{part}: {of}" for part, of in parts.items())
    return f"{text[0].upper()}{text[1:]}."


def _partial(data: Mapping[str, Any]) -> str:
    """Return a warning if the evaluation was interrupted."""
    if data["complete"]:
        return ""
    why = data.get("gap") or "the evaluation was interrupted"
    text = (
        f"{why[0].upper()}{why[1:]}: all figures are of {counted(data['samples'], 'sample')}, not of all of the data."
    )
    return f'<div class="partial" role="alert"><strong>Partial</strong><p>{escape(text)}</p></div>'


def _seen(data: Mapping[str, Any]) -> str:
    """Return a warning if the evaluation is of samples that calibrated the network."""
    said = calibrated(data)
    return f'<div class="partial" role="alert"><strong>Seen before</strong><p>{escape(said)}.</p></div>' if said else ""
