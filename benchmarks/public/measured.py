"""What is measured of one trained network of others: its task, its ratio, its operations, and what is said of it."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.public.subject import Samples, Subject
from benchmarks.zoo import snr
from canonic import CSS, CanonicError, Override, Settings, SpikingNetwork, convert, evaluate
from canonic.network.advice import Tried
from canonic.network.verification import sources

GOAL = 28.0
"""Decibels below which two other conversions are measured too: ``silent="auto"``, and what ``verify`` advises."""

VERIFIED, COUNTED = 16, 4
"""Samples of the calibration data that are verified, and of which operations are counted."""

DEFAULT = CSS(steps=8, silent=1), Settings()
Choice = tuple[CSS, Settings]
Row = dict[str, Any]


def measured(subject: Subject) -> Row:
    """Return what became of a network with the default settings; why, if it was refused."""
    begin = time.perf_counter()
    torch.manual_seed(0)
    model, data = subject.build(), subject.samples()
    row: Row = {"network": subject.name, "parameters": sum(p.numel() for p in model.parameters())}
    try:
        snn = converted(model, data, DEFAULT)
    except CanonicError as error:
        return row | {"refused": str(error)}
    with torch.no_grad():
        source = subject.answer(model, data)
        row |= {"samples": len(data.inputs[0]), "source": subject.measure(source, data)}
        row |= beside(subject, data, source, snn)
        verdict = snn.verify([first(data, VERIFIED)], progress=False)
        row |= {"notes": snn.record["notes"], "advice": verdict.advice, "operations": operations(snn, data)}
        if min(row["snr_db"]) < GOAL:
            for name, choice in others(verdict.advised):
                row[name] = beside(subject, data, source, converted(model, data, choice))
    return row | {"seconds": round(time.perf_counter() - begin)}


def converted(model: torch.nn.Module, data: Samples, choice: Choice) -> SpikingNetwork:
    """Return the spiking network of a model."""
    code, settings = choice
    return convert(model, data.calibration, code=code, settings=settings, progress=False)


def others(advised: Tried | None) -> Iterator[tuple[str, Choice]]:
    """Yield the other conversions by name: silent steps layer by layer, and what was advised, if it is a setting."""
    code, settings = DEFAULT
    yield "auto", (code, Settings(silent="auto"))
    if advised is None or not isinstance(advised.value, int):
        return
    if advised.layer is not None:
        yield "advised", (code, Settings(overrides={advised.layer: Override(silent=advised.value)}))
    elif advised.what == "steps":
        yield "advised", (CSS(advised.value, code.silent), settings)
    else:
        yield "advised", (CSS(code.steps, advised.value), settings)


def beside(subject: Subject, data: Samples, source: Sequence[Tensor], snn: SpikingNetwork) -> Row:
    """Return the size of a spiking network, the measure of its task, and how close it is to the source."""
    spiking = subject.answer(snn, data)
    return {
        **shape(snn),
        "spiking": subject.measure(spiking, data),
        "both": subject.compare(source, spiking),
        "snr_db": [round(snr([b], [a]), 1) for a, b in zip(source, spiking, strict=True)],
    }


def shape(snn: SpikingNetwork) -> Row:
    """Return the size and the latency of a converted network."""
    return {
        "T": snn.code.steps,
        "k": list(snn.graph.silent),
        "populations": len(snn.graph.populations),
        "depth": snn.depth,
        "total_steps": snn.total_steps,
    }


def first(data: Samples, count: int) -> tuple[Tensor, ...]:
    """Return some samples of the calibration data."""
    return tuple(x[:count] for x in data.calibration[0])


def operations(snn: SpikingNetwork, data: Samples) -> dict[str, int]:
    """Return the operations of one sample: multiplications of the source, and what the spiking network makes."""
    found, behind = evaluate(snn, [first(data, COUNTED)], progress=False), sources(snn.graph)
    of_source, of_spiking = found.source_operations, found.operations
    inner = [made for name, made in of_spiking.items() if behind[name]]
    sums = {
        "source_multiplications": sum(made.multiplications for made in of_source.values()),
        "multiplications": sum(made.multiplications for made in of_spiking.values()),
        "multiplications_behind_populations": sum(made.multiplications for made in inner),
        "additions": sum(made.additions for made in of_spiking.values()),
    }
    return {name: round(count / found.samples) for name, count in sums.items()}
