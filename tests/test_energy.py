"""The energy models against the same arithmetic written out, and the statistics against their definitions."""

from itertools import product
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from canonic import CSS, convert, evaluate
from canonic.measure.energy import ARITHMETIC, FLOATS, INTEGERS, Work, access, compute, traffic
from canonic.measure.statistics import interval, mcnemar
from canonic.network.graph import Precision


def test_every_precision_has_its_arithmetic():
    assert ARITHMETIC.keys() == set(get_args(Precision))


def test_arithmetic_in_picojoules():
    work = Work(additions=1e6, multiplications=2e6, weights=10, outputs=5, updates=3e6)
    assert compute(work, FLOATS) == pytest.approx(0.9 + 2 * (3.7 + 0.9) + 3 * 0.9)
    assert compute(work, INTEGERS) == pytest.approx(0.1 + 2 * (0.2 + 0.1) + 3 * 0.1)


@pytest.mark.parametrize(
    ("size", "picojoules"), [(8192, 10), (20480, 15), (32768, 20), (1048576, 100), (0, 20 / 3), (2 * 1048576, 182.58)]
)
def test_access_lies_on_straight_lines_between_the_published_memories(size, picojoules):
    assert access(float(size), 64) == pytest.approx(picojoules, rel=1e-3)
    assert access(float(size), 32) == pytest.approx(picojoules / 2, rel=1e-3)


def test_a_spike_reads_a_weight_and_reads_and_writes_a_membrane():
    work = Work(additions=1e6, multiplications=0.0, weights=2048, outputs=2048, event_driven=True)
    assert traffic(work, FLOATS) == pytest.approx(1 * 5 + 2 * 5)  # 8 KiB each, words of 32 bits: 5 pJ


def test_a_frame_reads_weight_and_activation_and_writes_each_output_once():
    work = Work(additions=0.0, multiplications=1e6, weights=2048, outputs=2048)
    assert traffic(work, FLOATS) == pytest.approx((1e6 * (5 + 5) + 2048 * 5) * 1e-6)


def test_rows_are_estimated_for_every_form_of_the_network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
    x = torch.randn(40, 4)
    evaluation = evaluate(convert(model, [x], code=CSS(steps=6)), [(x, model(x).argmax(1))], baselines=40)
    models = evaluation.to_json()["energy"]["models"]
    rows = {row["network"]: row for row in models["horowitz45"]["rows"]}
    assert list(rows)[:3] == ["spiking", "source, fp32", "source, fp32, zeros skipped"]
    assert rows["source, fp32"]["total"] == pytest.approx((4 * 16 + 16 * 3) * 4.6e-6)
    made = evaluation.to_json()["operations"]["spiking"]
    wanted = made["ACs"] * 0.9 + made["MACs"] * 4.6 + 16 * 7 * 0.9
    assert rows["spiking"]["total"] == pytest.approx(wanted * 1e-6)
    assert rows["quantised to 6 bits"]["total"] == pytest.approx((4 * 16 + 16 * 3) * 0.3e-6)
    assert all(row["memory"] is None for row in rows.values())
    assert all(row["total"] == row["compute"] + row["memory"] for row in models["traffic45"]["rows"])


def test_only_the_models_that_are_asked_for():
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    x = torch.randn(20, 4)
    found = evaluate(convert(model, [x]), [(x, model(x).argmax(1))], energy=["traffic45"]).to_json()
    assert list(found["energy"]["models"]) == ["traffic45"]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 7), st.integers(0, 7))
def test_mcnemar_counts_all_ways_in_which_coins_may_fall(lost, won):
    flips = [sum(coins) for coins in product((0, 1), repeat=lost + won)]
    extreme = [heads for heads in flips if min(heads, lost + won - heads) <= min(lost, won)]
    assert mcnemar(lost, won) == pytest.approx(len(extreme) / len(flips))


def test_mcnemar_of_many_flips():
    assert mcnemar(2000, 2000) == 1.0
    assert 0 < mcnemar(1900, 2100) < 0.01


@given(st.integers(1, 10_000), st.data())
def test_the_interval_holds_the_share_and_shrinks(samples, data):
    hits = data.draw(st.integers(0, samples))
    low, high = interval(hits, samples)
    assert 0 <= low <= hits / samples <= high <= 1
    wider = interval(hits, samples), interval(10 * hits, 10 * samples)
    assert wider[1][1] - wider[1][0] < wider[0][1] - wider[0][0]
