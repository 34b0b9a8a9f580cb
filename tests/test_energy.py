"""The energy models against the same arithmetic written out, and the statistics against their definitions."""

from itertools import product
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from canonic import CSS, DataError, evaluate
from canonic.conversion import convert
from canonic.measure.energy import (
    FLOATS,
    HALVES,
    INTEGERS,
    MIXED,
    Work,
    access,
    arithmetic_of,
    compute,
    require_models,
    traffic,
    whole,
)
from canonic.measure.statistics import interval, mcnemar
from canonic.network.graph import Precision


def test_every_precision_has_its_arithmetic():
    found = {name: (arithmetic_of(name, 16), arithmetic_of(name, 32)) for name in get_args(Precision)}
    floats, whole_numbers = (FLOATS, FLOATS), (MIXED, MIXED)
    assert found == {"fp32": floats, "bf16x2": floats, "bf16": (HALVES, FLOATS), "int8": whole_numbers}


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
    work = Work(additions=1e6, weights=2048, outputs=2048, event_driven=True)
    assert traffic(work, FLOATS) == pytest.approx(1 * 5 + 2 * 5)  # 8 KiB each, words of 32 bits: 5 pJ


def test_a_frame_reads_weight_and_activation_and_writes_each_output_once():
    work = Work(multiplications=1e6, weights=2048, inputs=2048, outputs=2048)
    assert traffic(work, FLOATS) == pytest.approx((1e6 * (5 + 5) + 2048 * 5) * 1e-6)


def test_rows_are_estimated_for_every_form_of_the_network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
    x = torch.randn(40, 4)
    evaluation = evaluate(convert(model, [x], code=CSS(steps=6)), [(x, model(x).argmax(1))], baselines=40)
    models = evaluation.to_json()["energy"]["models"]
    rows = {row["id"]: row for row in models["horowitz45"]["rows"]}
    assert list(rows)[:3] == ["spiking", "source_fp32", "source_fp32_sparse"]
    assert rows["source_fp32"]["total"] == pytest.approx((4 * 16 + 16 * 3) * 4.6e-6)
    made = evaluation.to_json()["operations"]["spiking"]
    wanted = made["ACs"] * 0.9 + made["MACs"] * 4.6 + (16 * 7 + 3 * 6) * 0.9
    assert rows["spiking"]["total"] == pytest.approx(wanted * 1e-6)
    assert rows["quantised"]["bits"] == 6
    assert rows["quantised"]["total"] == pytest.approx((4 * 16 + 16 * 3) * (0.2 * 6 / 8 + 0.1) * 1e-6)
    assert all(row["memory"] is None for row in rows.values())
    assert all(row["total"] == row["compute"] + row["memory"] for row in models["traffic45"]["rows"])


def test_a_spike_is_written_once_and_read_by_each_reader():
    work = Work(outputs=256, spikes=1e6, readers=2, event_driven=True)
    assert traffic(work, FLOATS) == pytest.approx(3 * access(256.0, 8))


def test_a_layer_without_weights_reads_none():
    assert traffic(Work(additions=1e6, outputs=2048, event_driven=True), FLOATS) == pytest.approx(2 * 5)


def test_a_multiplier_grows_with_the_bits_of_both_numbers():
    assert whole(4).multiply == whole(8).multiply / 2
    assert whole(16).multiply == 2 * INTEGERS.multiply


@pytest.mark.parametrize(("code", "cost"), [("multi-threshold:4", 0.03), ("burst:4,most=3", 3.7), ("css:6", 0.0)])
def test_events_that_differ_in_size_are_charged_unary_and_with_their_size(code, cost):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
    x = torch.randn(40, 4)
    snn = convert(model, [x], code=code, progress=False)
    found, sent = evaluate(snn, [x]), snn.trace(x)["1"].spikes
    least = snn.code.alphabet.magnitudes[-1]
    unary, each = 3 * float(sent.abs().sum()) / least / 40, 3 * int(sent.count_nonzero()) / 40
    shown = found.to_json()
    made, models = shown["operations"]["spiking"], shown["energy"]["models"]
    assert (made["ACs"], made["event_ACs"]) == pytest.approx((unary, each))
    rows = {row["id"]: row["compute"] for row in models["horowitz45"]["rows"]}
    assert ("spiking_sized" in rows) == (cost > 0)
    other = rows["spiking"] - 0.9e-6 * unary
    assert rows.get("spiking_sized", rows["spiking"]) == pytest.approx(other + (0.9 + cost) * 1e-6 * each)
    synaptic = shown["neurobench"]["synaptic_operations"]
    assert synaptic["Effective_MACs"] == pytest.approx(made["MACs"] + each * (cost > 0))


def test_an_event_carries_its_size_behind_its_address():
    work = Work(outputs=256, spikes=1e6, event_driven=True, magnitudes=(1.0, 0.5, 0.25, 0.125))
    assert traffic(work, FLOATS) == pytest.approx(2 * access(256.0 * 10 / 8, 10))


def test_outer_layers_of_a_bf16_network_are_charged_as_floats():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
    x = torch.randn(40, 4)
    snn = convert(model, [x], code=CSS(steps=6))
    energies = []
    for precision in ("fp32", "bf16"):
        found = evaluate(snn.to_precision(precision), [(x, model(x).argmax(1))]).to_json()
        made, row = found["operations"]["spiking"], found["energy"]["models"]["horowitz45"]["rows"][0]
        energies.append(row["compute"] - 0.9e-6 * made["ACs"])
    assert energies[0] == pytest.approx(energies[1])  # all of its multiplications read the input


def test_what_a_maximum_and_a_function_remember_is_counted():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.GELU(), nn.Linear(6, 3)).eval()
    x = torch.randn(40, 4)
    found = evaluate(convert(model, [x], code=CSS(steps=5)), [(x, model(x).argmax(1))]).to_json()
    assert found["operations"]["spiking"]["other_updates"] == 5 * (6 + 6) + 5 * 3
    assert found["operations"]["spiking"]["membrane_updates"] == (8 + 6) * 6


@pytest.mark.parametrize("wrong", [["foo"], "foo", ["horowitz45", "joule"]])
def test_unknown_models_are_refused(wrong):
    with pytest.raises(DataError, match="energy must be a list of horowitz45, traffic45, tiled45, got"):
        require_models(wrong)


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
    low, high = interval(hits / samples, samples)
    assert 0 <= low <= hits / samples <= high <= 1
    wider = interval(hits / samples, samples), interval(hits / samples, 10 * samples)
    assert wider[1][1] - wider[1][0] < wider[0][1] - wider[0][0]
