"""Rows of trained systems: what a graph keeps, what a network without time costs, means over seeds."""

import torch
from torch import nn

from canonic.learn import LIF, Gradient, Population, Recipe, Representation, unroll
from canonic.learn.losses import cross_entropy
from canonic.measure.table import HEADINGS, dense, saved_bytes, table


def system(steps, gradient):
    net = nn.Sequential(nn.Linear(6, 32), Population(LIF(leak=1.0), gradient), nn.Linear(32, 3))
    forward = lambda net, x, seed: unroll(net, x, steps, seed=seed)  # noqa: E731
    return Gradient(net, forward, lambda run, y: cross_entropy(run.output, y), Recipe(1, 8))


def test_what_the_graph_of_a_surrogate_keeps_grows_with_the_steps():
    x, y = torch.randn(8, 6), torch.zeros(8, dtype=torch.long)
    few, many = (saved_bytes(system(steps, None), x, y) for steps in (4, 16))
    assert many - few >= 12 * 8 * 32 * 4  # a membrane at each step
    whole = torch.randn(5000, 6)
    assert saved_bytes(system(4, None), whole[:8], y) < whole.nbytes  # a part of all samples is as large as it is
    step = 8 * 32 * 4  # the spikes, which the layer behind reads
    few, many = (saved_bytes(system(steps, Representation()), x, y) for steps in (4, 16))
    assert many - few <= 12 * (step + 8 * 3 * 4)


def test_the_operations_of_a_network_without_time_are_those_of_its_matrices():
    net = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 25, 3))
    products = 4 * 2 * 13 * 13 + 100 * 3  # 13 pairs of a pixel and a tap along 5 pixels, as padding is none
    found = dense(net, torch.zeros(1, 2, 5, 5))
    assert found["ann_MACs"] == products
    assert abs(found["ann_energy"] - products * 4.6e-6) < 1e-9


def row(seed, accuracy, **other):
    known = {"system": "lif", "data": "digits", "network": "8", "parameters": 1234, "codes": "a > b > c"}
    counts = {"steps": 4, "mean_step": 4.0, "spikes_per_neuron": 0.5, "ACs": 1000.0, "MACs": 10.0, "epochs": 3}
    costs = {"energy": 1.5, "ann_energy": 3.0, "cpu_minutes": 2.0, "saved_bytes": 3_000_000}
    said = {"gradient": "surrogate", "published": "90 %", "source": "a paper", "ann_accuracy": 0.75}
    return {**known, **counts, **costs, **said, "seed": seed, "accuracy": accuracy, **other}


def test_rows_of_several_seeds_are_one_with_their_mean_and_spread():
    (cells,) = table([row(0, 0.5), row(1, 0.52, cpu_minutes=4.0)])
    shown = dict(zip(HEADINGS, cells, strict=True))
    assert (shown["accuracy %"], shown["same-shape ANN %"]) == ("51.00 ± 1.41 (2)", "75.00 ± 0.00 (2)")
    assert (shown["CPU minutes"], shown["saved MB"], shown["energy uJ (ANN)"]) == ("3", "3", "1.5 (3)")
    assert shown["published (source)"] == "90 % (a paper)"
    assert len(list(table([row(0, 0.5), row(0, 0.5, data="other"), row(0, 0.5, system="dsr")]))) == 3


def test_what_was_not_trained_is_left_out():
    (cells,) = table([row(0, 0.5, ann_accuracy=None, ann_energy=None)])
    shown = dict(zip(HEADINGS, cells, strict=True))
    assert (shown["accuracy %"], shown["same-shape ANN %"], shown["energy uJ (ANN)"]) == ("50.00", "–", "1.5 (–)")
