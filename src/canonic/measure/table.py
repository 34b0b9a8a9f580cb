"""Rows of the one table that holds every trained system: the same plain data of each, and their means over seeds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from canonic.learn.batches import in_order
from canonic.learn.judged import accuracy
from canonic.learn.outcome import Trial
from canonic.learn.system import Gradient
from canonic.learn.zoo.training import Trained
from canonic.measure.dense import dense
from canonic.measure.evaluation import evaluate
from canonic.measure.result import Evaluation
from canonic.network import SpikingNetwork
from canonic.words import NONE, microjoules, number, whole

Row = Mapping[str, Any]


def row_of(trained: Trained, snn: SpikingNetwork | Trial, test: TensorDataset, data: str) -> Row:
    """Return what is known of a trained system, on samples that it did not learn from and nothing was chosen by.

    Args:
        trained: the system, and the network of its shape without time where that was trained too.
        snn: the same system as ``evaluate`` measures it.
        test: samples, prepared as the system takes them.
        data: what they are called.
    """
    entry, system, ann, past = trained.entry, trained.system, trained.ann, trained.ann_history
    update = torch.arange(system.recipe.batch) % len(test)  # a whole one, if it takes samples twice
    few = [tensor[update] for tensor in test.tensors]
    found = measured(snn, test, system.recipe.batch, source=None if entry.converted is None else system.net.eval())
    return {
        "system": entry.name,
        "data": data,
        "samples": len(test),
        "network": entry.network,
        "parameters": sum(parameter.numel() for parameter in system.net.parameters()),
        "codes": entry.codes,
        "gradient": entry.gradient,
        "accuracy": accuracy(system, test) if entry.converted is None else found.accuracy,
        **({} if entry.converted is None else {"agreement": found.agreement}),
        "ann_accuracy": None if ann is None else accuracy(ann, test),
        "steps": found.network.total_steps,
        "mean_step": found.mean_step,
        **operations(found),
        **({"ann_MACs": None, "ann_energy": None} if ann is None else dense(ann.net, few[0][:1])),
        "epochs": len(trained.history.epochs),
        "cpu_minutes": trained.history.seconds / 60,
        "ann_cpu_minutes": None if past is None else past.seconds / 60,
        "saved_bytes": saved_bytes(system, few[0], few[1]) if isinstance(system, Gradient) else 0,
        "published": entry.published,
        "source": entry.source,
        "seed": system.recipe.seed,
        "recipe": system.recipe.to_json(),
        **({"constants": dict(entry.constants)} if entry.constants else {}),
        "versions": trained.history.record["versions"],
        "trained_on": {name: trained.history.record["data"][name] for name in ("samples", "sha256")},
    }


def measured(snn: SpikingNetwork | Trial, test: TensorDataset, batch: int, *, source: nn.Module | None) -> Evaluation:
    """Return what ``evaluate`` counts of a system; where it was converted, its accuracy and agreement too.

    Raises:
        KeyboardInterrupt: after Ctrl-C: a part of the samples makes no row.
    """
    samples = [(x,) if source is None else (x, y) for x, y in in_order(test, batch)]
    found = evaluate(snn, samples, reference=source, energy=("horowitz45",), progress=False)
    if not found.complete:
        raise KeyboardInterrupt
    return found


def operations(found: Evaluation) -> dict[str, float]:
    """Return spikes a neuron, operations and microjoules of a sample."""
    told = found.to_json()
    made, energy = told["operations"]["spiking"], told["energy"]["models"]["horowitz45"]["rows"][0]["total"]
    return {
        "spikes_per_neuron": told["spikes"]["per_neuron"],
        "ACs": made["ACs"],
        "MACs": made["MACs"],
        "energy": energy,
    }


def saved_bytes(system: Gradient, x: Shaped[Tensor, "batch ..."], y: Shaped[Tensor, "batch ..."]) -> int:
    """Return what the graph of one update keeps for its backward pass, each storage once; weights are none of it.

    The network stays as it is, which a pass of a training would change: batch norm follows its batches.
    """
    before = {name: tensor.clone() for name, tensor in system.net.state_dict().items()}
    held = {parameter.untyped_storage().data_ptr() for parameter in system.net.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in held:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = system.loss(x.clone(), y)
    del loss
    system.net.load_state_dict(before)
    return sum(kept.values())


HEADINGS = (
    *("system", "data", "network", "parameters", "input > hidden > output", "gradient", "accuracy %"),
    *("same-shape ANN %", "steps", "step of the answer", "spikes a neuron", "ACs", "MACs", "energy uJ (ANN)"),
    *("epochs", "CPU minutes", "saved MB", "published (source)"),
)


def table(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each system on each data set, rows of several seeds being one."""
    keys = dict.fromkeys((row["system"], row["data"]) for row in rows)
    for key in keys:
        yield _cells([row for row in rows if (row["system"], row["data"]) == key])


def _cells(rows: Sequence[Row]) -> tuple[str, ...]:
    first = rows[0]
    average = {name: _mean(row.get(name) for row in rows) for name in _AVERAGED}
    energy = f"{microjoules(average['energy'], 3)} ({microjoules(average['ann_energy'], 3)})"
    return (
        *(first["system"], first["data"], first["network"], whole(first["parameters"]), first["codes"]),
        first["gradient"],
        _shares([row["accuracy"] for row in rows]),
        _shares([row["ann_accuracy"] for row in rows if row["ann_accuracy"] is not None]),
        *(str(first["steps"]), number(average["mean_step"], 3), number(average["spikes_per_neuron"], 3)),
        *(number(average["ACs"], 3), number(average["MACs"], 3), energy, str(first["epochs"])),
        *(number(average["cpu_minutes"], 3), number((average["saved_bytes"] or 0) / 1e6, 3)),
        f"{first['published']} ({first['source']})",
    )


_AVERAGED = (*("energy", "ann_energy", "mean_step", "spikes_per_neuron", "ACs", "MACs", "cpu_minutes", "saved_bytes"),)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return mean(known) if known else None


def _shares(values: Sequence[float]) -> str:
    """Return the mean of shares in per cent, with their standard deviation and their number where there are several.

    >>> _shares([0.5]), _shares([0.5, 0.52])
    ('50.00', '51.00 ± 1.41 (2)')
    """
    if not values:
        return NONE
    spread = f" ± {100 * stdev(values):.2f} ({len(values)})" if len(values) > 1 else ""
    return f"{100 * mean(values):.2f}{spread}"
