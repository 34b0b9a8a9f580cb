"""The command line of ``canonic``. Exit codes: 0 done, 1 it could not be done, 2 wrong usage."""

from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer

from canonic.cli import options as o
from canonic.cli.codes import list_codes
from canonic.cli.compare import compare
from canonic.cli.convert import convert
from canonic.cli.export import export
from canonic.cli.group import INTERRUPTED, Told, finish, print_json, run
from canonic.cli.learn import learn, train
from canonic.cli.sweep import sweep


def show_version(asked: bool) -> bool:
    """Print the version and end, where it was asked for."""
    if asked:
        print(f"canonic {metadata.version('canonic')}")
        raise typer.Exit()
    return asked


app = typer.Typer(
    name="canonic",
    help="Turn a trained PyTorch network into a spiking network of ternary spikes.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the network and the picture.")] = Path("demo-output"),
    as_json: o.Json = False,
) -> None:
    """Train a small network on handwritten digits, convert it, and compare the two."""
    from canonic.cli.demo import run_demo
    from canonic.cli.render import show_demo

    results = run_demo(out)
    finish()
    print_json([e.to_json() for e in results.values()]) if as_json else show_demo(results, out)


@app.command()
def explain(
    model: o.Model,
    weights: o.Weights = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(help="Shape of one sample, as 3,32,32; once for each input; not for a .pt2 file."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Data that has the shape instead, as for convert: for token ids, and by name.")
    ] = None,
    code: o.Code = "css",
    steps: o.Steps = 8,
    silent: o.Silent = 1,
    input_code: o.InputCode = "direct",
    as_json: o.Json = False,
) -> None:
    """Say what would become of every operator of a network, before anything is converted."""
    from dataclasses import asdict

    from canonic.cli import data as d
    from canonic.cli.models import example_of, open_model
    from canonic.cli.render import show_explanation
    from canonic.conversion import Settings, explain

    sent = o.code_named(code, o.css(steps, silent, 2.0, 0.5))
    opened = open_model(model, weights)
    example = d.example_in(opened, data) if data else example_of(opened, [o.sizes(text) for text in shape or ()])
    with o.usage():
        settings = Settings(input=input_code)
    explanation = explain(opened, example, code=sent, settings=settings)
    plain = {**asdict(explanation), "code": sent.to_json()}
    print_json({"convertible": explanation.convertible, **plain}) if as_json else show_explanation(explanation)
    if not explanation.convertible:
        raise typer.Exit(1)


app.command()(convert)


@app.command()
def evaluate(
    network: Annotated[Path, typer.Argument(help=o.NETWORK)],
    data: o.DataName,
    classes: o.Classes = "",
    limit: o.Limit = None,
    batch_size: o.AtOnce = None,
    mean: o.Mean = "",
    std: o.Std = "",
    size: o.Size = None,
    grey: o.Grey = False,
    output: o.Output = None,
    energy: o.Energy = "",
    source: Annotated[bool, typer.Option(help="Compare with the source network; it is one pass more.")] = True,
    baselines: o.Baselines = 0,
    as_json: o.Json = False,
) -> None:
    """Measure a spiking network against its source, and against labels if there are: every step, spikes, energy."""
    from canonic.cli import data as d
    from canonic.cli.classes import names_of
    from canonic.cli.evaluation import show_evaluation, to_the_end
    from canonic.cli.opened import open_network
    from canonic.cli.provenance import made, told
    from canonic.measure import evaluate as measure

    models, snn = o.energy_models(energy), open_network(network)
    prepare = o.remembered(snn, mean, std, size, grey)
    samples = d.labelled_samples(snn, data, prepare, limit, names_of(snn, classes, output), output)
    batches = to_the_end(d.batches(samples, o.at_once(snn, batch_size)))
    reference: Literal["source"] | None = "source" if source else None
    evaluation = measure(snn, batches, output=output, reference=reference, energy=models, baselines=baselines)
    finish()
    if as_json:
        print_json({**evaluation.to_json(), "made": made(data)})
    else:
        show_evaluation(evaluation, told(snn.record))
    if evaluation.gap:
        raise typer.Exit(INTERRUPTED if evaluation.gap.startswith("interrupted") else 1)


@app.command()
def verify(
    network: Annotated[Path, typer.Argument(help=o.NETWORK)],
    data: o.DataName,
    limit: o.Limit = 100,
    batch_size: o.BatchSize = 100,
    mean: o.Mean = "",
    std: o.Std = "",
    size: o.Size = None,
    grey: o.Grey = False,
    as_json: o.Json = False,
) -> None:
    """Compare every layer with the source network: its error in dB, where it drops, and what to change."""
    from canonic.cli import data as d
    from canonic.cli.opened import open_steps
    from canonic.cli.render import show_verification

    snn = open_steps(network)
    samples = d.samples_of(snn, data, o.remembered(snn, mean, std, size, grey), limit)
    found = snn.verify(d.batches(samples, batch_size))
    print_json(found.to_json()) if as_json else show_verification(found)


app.command()(export)
app.command()(sweep)
app.command()(compare)
app.command(name="codes")(list_codes)
app.command()(learn)
app.command()(train)


@app.command()
def report(
    network: Annotated[Path, typer.Argument(help=o.NETWORK)],
    data: o.DataName,
    out: Annotated[Path, typer.Option(help="File for the page.")] = Path("report.html"),
    evaluation: Annotated[
        Path | None, typer.Option(help="What canonic evaluate --json printed; measured again if not given.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, max=24, help="Samples that the explorer shows.")] = 8,
    output: o.Output = None,
    baselines: o.Baselines = 100,
    classes: o.Classes = "",
    limit: o.Limit = None,
    batch_size: o.AtOnce = None,
    mean: o.Mean = "",
    std: o.Std = "",
    size: o.Size = None,
    grey: o.Grey = False,
) -> None:
    """Write a page with all figures, charts, and an explorer of spikes: one HTML file. Needs vl-convert-python."""
    from canonic.cli import data as d
    from canonic.cli.classes import names_of
    from canonic.cli.opened import open_network
    from canonic.cli.provenance import made
    from canonic.cli.report import make_report, measured, origins, read_evaluation, write

    o.require_writable(out)
    snn = open_network(network)
    names, prepare = names_of(snn, classes, output), o.remembered(snn, mean, std, size, grey)
    samples, batch = d.labelled_samples(snn, data, prepare, limit, names, output), o.at_once(snn, batch_size)
    if evaluation:
        found = read_evaluation(evaluation, snn)
    else:
        found = {**measured(snn, samples, batch, baselines, output), "made": made(data)}
    known = origins(found, evaluation, snn, samples, Path(data).name, batch)
    shown = {"title": network.stem, "pictures": pictures, "classes": names, "batch_size": batch}
    page = make_report(snn, samples, found, origins=known, **shown).encode()  # type: ignore[arg-type]
    finish()
    write(out, page)
    if evaluation is None and found["data"]["gap"].startswith("interrupted"):
        print(f"PARTIAL: written to {out}, from the samples seen so far")
        raise Told(INTERRUPTED)
    print(f"written to {out} ({len(page) / 1e6:.1f} MB): open it in a browser")


@app.command()
def zoo(
    pattern: Annotated[str, typer.Argument(help="Of the names of timm, as resnet*; all if left out.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Try at most this many, evenly spaced.")] = None,
    as_json: o.Json = False,
) -> None:
    """Say which architectures of timm could be converted, and why the others could not. Needs timm; no weights."""
    from dataclasses import asdict

    from canonic.cli.render import show_outcome
    from canonic.cli.zoo import model_names, summary, survey

    outcomes = []
    try:
        for outcome in survey(model_names(pattern, limit)):
            outcomes.append(outcome)
            if not as_json:
                show_outcome(outcome)
    finally:  # after Ctrl-C too
        if outcomes:
            print_json([asdict(outcome) for outcome in outcomes]) if as_json else print(summary(outcomes))


def main() -> None:
    """Run the command line."""
    run(app)
