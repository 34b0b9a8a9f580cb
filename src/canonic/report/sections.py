"""The sections of a report that say how good, how sparse and how healthy a network is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from canonic.report import charts
from canonic.report.markup import Section, figure, paragraph, table
from canonic.words import NONE, Number, counted, decibels, number, percent, whole

Data = Mapping[str, Any]


def figures(evaluation: Data) -> Section:
    """Return the table of the headline figures, source and spiking network side by side."""
    rows = list(_figures(evaluation))
    body = table("Source and spiking network, side by side", ("", "source", "spiking"), rows)
    return Section("figures", "Headline figures", body + _flips(evaluation))


def _figures(evaluation: Data) -> Iterator[tuple[str, str, str]]:
    network, spikes, operations = evaluation["network"], evaluation["spikes"], evaluation["operations"]
    accuracy, error, latency = evaluation["accuracy"], evaluation["error"], evaluation["latency"]
    if accuracy is not None:
        yield "accuracy", percent(accuracy["source"]), percent(accuracy["network"])
        yield "95 % interval (Wilson)", _interval(accuracy["source_interval"]), _interval(accuracy["interval"])
        if (top5 := accuracy["top5"]) and top5["network"] * (top5["source"] or 1) < 1:
            yield "among the best five", percent(top5["source"]), percent(top5["network"])
    elif evaluation["task"] == "regression":
        yield "mean squared error against the targets", number(error["source_mse"]), number(error["mse"])
    yield from _outputs(evaluation)
    yield "steps: digits T + silent steps", NONE, _steps(network)
    yield (
        "first answer, and a new sample every",
        NONE,
        f"step {latency['first_answer']}, {counted(latency['between_samples'], 'step')}",
    )
    if isinstance(mean := latency.get("mean_step"), float | int):
        yield "step of the answer, on average over the samples", NONE, f"{mean:.2f}"
    yield "spikes per neuron", NONE, f"{spikes['per_neuron']:.3f}"
    if spikes["units_per_neuron"] > spikes["per_neuron"]:
        yield "bits of a spike, at most", NONE, str(network["event_bits"])
        yield "spikes per neuron, were they unary", NONE, f"{spikes['units_per_neuron']:.3f}"
    yield "silent neurons", NONE, percent(spikes["silent_neurons"], 1)
    source, spiking = operations["source"] or {}, operations["spiking"]
    yield "multiplications with addition (MACs)", number(source.get("dense_MACs")), number(spiking["MACs"])
    yield "of these with an input that is not 0", number(source.get("MACs")), NONE
    yield "additions of weights (ACs)", number(source.get("ACs")), number(spiking["ACs"])
    if spiking["event_ACs"] < spiking["ACs"]:
        yield "additions of scaled weights, where spikes carry their size", NONE, number(spiking["event_ACs"])
    yield "updates of membranes", NONE, number(spiking["membrane_updates"])
    if other := spiking["other_updates"]:
        yield "updates of other state", NONE, number(other)
    yield "weights", whole(network["weights"]), whole(network["weights"])
    if wall := latency.get("wall"):
        yield "simulated on this machine", NONE, f"{number(wall['samples_per_second'], 3)} samples per second"


def _outputs(evaluation: Data) -> Iterator[tuple[str, str, str]]:
    """Yield how near each output is to that of the source, by its name where there are several."""
    outputs = evaluation["outputs"]
    for name, output in outputs.items():
        of = f"output {name}" if len(outputs) > 1 else "output"
        if output["agreement"] is not None:
            yield "answers that agree" + f": {of}" * (len(outputs) > 1), NONE, percent(output["agreement"])
        if output["snr_db_by_step"] is not None:
            yield f"{of}, signal to noise against the source", NONE, decibels(output["snr_db"])


def _flips(evaluation: Data) -> str:
    flips = evaluation["accuracy"] and evaluation["accuracy"]["flips"]
    if flips is None:
        return ""
    if not flips["lost"] + flips["won"]:
        return paragraph("Both networks are right on the same samples.")
    said = (
        f"Of the answers that one of the two networks alone gets right, the spiking network loses {flips['lost']} and "
    )
    said += f"wins {flips['won']}"
    if flips["p"] is None:
        return paragraph(f"{said}; there are several in a sample, so no test of chance applies to them.")
    verdict = "a difference that chance explains" if flips["p"] >= 0.05 else "more than chance explains"
    return paragraph(f"{said}: {verdict} (exact McNemar test, p = {flips['p']:.2g}).")


def steps(evaluation: Data) -> Section:
    """Return how the answer settles, beside other codes where those were measured."""
    accuracy, snr = evaluation["accuracy"], evaluation["error"]["snr_db_by_step"]
    if accuracy is None or snr is None:
        what = "Error" if accuracy is None else "Accuracy"
        return Section("steps", f"{what} against steps", _by_step(evaluation))
    same = "The share of answers that are those of the source network, right or wrong."
    noise = "Of the outputs, against those of the source network."
    pair = figure("agreement", "Agreement with the source.", same) + figure("snr", "Signal to noise.", noise)
    body = f'<div class="pair">{pair}</div><details><summary>The figures</summary>{_by_step(evaluation)}</details>'
    drawn = {
        "agreement": charts.by_step(accuracy["agreement_by_step"], source=None, unit="%", label="agreement"),
        "snr": charts.by_step(snr, source=None, unit="dB", label="signal to noise"),
    }
    if evaluation["baselines"]:
        body += figure("codes", "Other codes.", _baselines(evaluation))
        drawn["codes"] = charts.against_codes(evaluation)
    return Section("steps", "Accuracy against steps", body, drawn)


def _baselines(evaluation: Data) -> str:
    network, baselines = evaluation["network"], evaluation["baselines"]
    return (
        f"The same network with a rate code, and quantised to {counted(baselines['quantised']['bits'], 'bit')}, all on "
        f"the same {counted(baselines['samples'], 'sample')}, of which the source gets "
        f"{percent(baselines['source_accuracy'])} right and the spiking network "
        f"{percent(baselines['spiking_accuracy'])}. Further left is sooner, higher is better. The quantised network "
        "has two points: bit-serial hardware, which takes a bit at a step as a spiking network does, needs "
        f"{counted(baselines['quantised']['total_steps'], 'step')}, T for each of "
        f"{counted(network['depth'], 'layer')}; hardware that multiplies whole numbers needs one pass a layer, "
        f"{network['depth']}."
    )


def _by_step(evaluation: Data) -> str:
    """Return the quality of the answer after each step, as far as it was compared with labels or the source."""
    accuracy = evaluation["accuracy"] or {}
    series: dict[str, tuple[Any, Callable[[Number | None], str]]] = {
        "accuracy": (accuracy.get("by_step"), percent),
        "agreement": (accuracy.get("agreement_by_step"), percent),
        "signal to noise": (evaluation["error"]["snr_db_by_step"], decibels),
    }
    shown = {name: (values, text) for name, (values, text) in series.items() if values}
    if not shown:
        return paragraph("There were no labels, and no source network to compare with.")
    first = evaluation["latency"]["first_answer"]
    columns = [[text(value) for value in values[first - 1 :]] for values, text in shown.values()]
    rows = [(str(step), *cells) for step, cells in enumerate(zip(*columns, strict=True), first)]
    return table("After every step", ("step", *shown), rows)


TERMS = (
    "Measured: against the activations of the source. Made by this layer alone: against the activation of the currents "
    "that the layer was given. Inherited and rounded: what is to be expected of the noise of the noisiest layer that "
    "feeds it, together with the error that this layer would make if its neurons saw all of their currents before "
    "they fire. Measured can be better: a layer may average noise out, or cut it off."
)
"""What the three errors of a layer are; canonic.network.health computes them."""


def error(verification: Data) -> Section:
    """Return the error of each layer in dB, and the advice of the verification."""
    layers, first = verification["layers"], verification["first_drop"]
    marked = [index for index, layer in enumerate(layers) if layer["name"] == first]
    rows = [(x["name"], str(x["silent"]), *(decibels(x[key]) for key in ("snr", "expected", "own"))) for x in layers]
    headings = ("layer", "k", *charts.ERRORS.values())
    found = table("Signal to noise of each layer", headings, rows, marked=marked)
    text = f"The error of what the spikes of each layer stand for; {counted(verification['samples'], 'sample')}."
    outputs = ", ".join(f"{name} {decibels(value)}" for name, value in verification["outputs"].items())
    body = figure("error", "Each layer against the source.", text, found) + paragraph(TERMS, "note")
    advice = verification["advice"].removesuffix(".")
    body += paragraph(f"{advice[:1].upper()}{advice[1:]}. Outputs: {outputs}.")
    return Section("error", "Error per layer", body, {"error": charts.error_per_layer(verification)})


def spikes(evaluation: Data) -> Section:
    """Return the spikes of each layer and digit, + and -."""
    layers = evaluation["spikes"]["layers"]
    totals = {n: (sum(x["positive"]) + sum(x["negative"])) / max(1, x["neurons"]) for n, x in layers.items()}
    rows = [
        (name, whole(x["neurons"]), f"{totals[name]:.3f}", *_sums(x), percent(x["silent_neurons"], 1))
        for name, x in layers.items()
    ]
    headings = ("layer", "neurons", "spikes per neuron", "+", "−", "silent neurons")
    counted = table("Spikes of each layer, mean of a sample", headings, rows)
    plus = "Blue: spikes of a neuron above zero at each digit, counted once whatever their size."
    minus = "Orange: those below zero, which take early ones back. The same scale."
    body = f'<div class="pair">{figure("positive", "Spikes +.", plus)}{figure("negative", "Spikes −.", minus)}</div>'
    body += figure("spikes", "Spikes per neuron.", "Of either sign, over all digits, for one sample.", counted)
    drawn = {sign: charts.spikes_per_step(evaluation, sign) for sign in ("positive", "negative")}
    return Section("spikes", "Spikes", body, drawn | {"spikes": charts.bars(totals, "spikes per neuron", ".2f")})


def _sums(layer: Data) -> tuple[str, ...]:
    """Return the spikes of a neuron above zero and those below."""
    return tuple(f"{sum(layer[sign]) / max(1, layer['neurons']):.3f}" for sign in ("positive", "negative"))


def overload(evaluation: Data, verification: Data) -> Section:
    """Return the share of overloaded steps of each layer."""
    rates = {name: layer["overload_rate"] for name, layer in evaluation["spikes"]["layers"].items()}
    silent = {layer["name"]: str(layer["silent"]) for layer in verification["layers"]}
    rows = [(name, silent.get(name, NONE), percent(rate, 4)) for name, rate in rates.items()]
    counted = table("Overloaded firing steps", ("layer", "k", "share of its firing steps"), rows)
    worst = max(rates, key=lambda name: rates[name], default=None)
    text = "A step is an overload if its current is beyond what the neuron can take back; silent steps make it rarer."
    said = f"Most overloaded: {worst}, {percent(rates[worst], 3)} of its firing steps." if worst else "No populations."
    drawn = charts.bars({name: 100 * rate for name, rate in rates.items()}, "% of firing steps", ".2~r", "var(--minus)")
    body = figure("overload", "Overloaded steps.", text, counted) + paragraph(said)
    return Section("overload", "Overload", body, {"overload": drawn})


def _interval(bounds: Sequence[Number] | None) -> str:
    return NONE if bounds is None else f"{100 * bounds[0]:.2f} to {percent(bounds[1])}"


def _steps(network: Data) -> str:
    return f"{network['T']} + {network['total_steps'] - network['T']} = {network['total_steps']}"
