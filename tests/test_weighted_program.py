"""The neuron of every weighted code in C: spikes, overloads and counts are those of its pure step, bit for bit."""

import logging
import os
import shutil
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from canonic.codes import CSS, code_of, named
from canonic.measure.tally import counted
from canonic.native import Given, choice, weighted_scan
from canonic.native.rules import own_neuron
from canonic.neurons import gathered, weighted_run

pytestmark = pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc")), reason="no C compiler: C is not tested")

CODES = tuple(
    (
        code,
        code.alphabet.signed,
        code.alphabet.magnitudes[-1],
    )  # known outside: checked types draw random numbers of their own
    for code in map(
        code_of,
        (
            *("rate:7", "rate:40", "signed-rate:9", "phase:3,2", "burst:6", "burst:5,9,start=0.0", "count:6"),
            *("latency:8", "exponential-latency:9", "binary:6", "binary:5,rounds=down", "few-spike:6"),
            "few-spike:4,alpha=3.0",
            *(
                "multi-threshold:4",
                "differential:5,levels=3",
                "css:6",
                "css:5,phi=0.625",
                "css:3,silent=0,beta=4,levels=5",
            ),
        ),
    )
)


@st.composite
def cases(draw):
    """Any code, what arrives at it and how long it waits: random floats, many of them on a bar."""
    (code, either, least), (sender, *_) = draw(st.sampled_from(CODES)), draw(st.sampled_from(CODES))
    steps, rows, size = draw(st.integers(1, sender.steps)), draw(st.integers(1, 5)), draw(st.sampled_from([1, 5, 33]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    currents = torch.randn(steps, rows, size, generator=generator) * draw(st.sampled_from([0.5, 1.0, 3.0]))
    ties = torch.rand(currents.shape, generator=generator) < 0.4
    currents = torch.where(ties, (currents * 4).round() / 4, currents)
    start = torch.randn(size, generator=generator) / code.steps if draw(st.booleans()) else None
    small = least == 1 and draw(st.booleans())
    given = {
        "terms": [currents],
        "weights": [torch.rand(size, generator=generator) if small else None],
        "spike": torch.int8 if small else torch.float32,
        "signed": either and draw(st.booleans()),
        "start": start,
    }
    return code, sender, draw(st.sampled_from([0, sender.steps])), given | {"neurons": size * rows}


def by_steps(code, sender, silent, own):
    worth = torch.tensor(sender.weights[: len(own.terms[0])])[:, None, None]
    weights = 1.0 if own.weights[0] is None else own.weights[0]
    steps = weighted_run(code, weights * own.terms[0] * worth, silent=silent, signed=own.signed, start=own.start)
    return gathered(code, steps, signed=own.signed)


@settings(max_examples=150)
@given(cases())
def test_it_fires_as_step_by_step_and_counts(case):
    (code, sender, silent), own = case[:3], Given(**case[3])
    ours, wanted = weighted_scan(code, sender, own, silent=silent), by_steps(code, sender, silent, own)
    assert ours.fired is not None, "no program ran"
    assert ours.spikes.dtype == own.spike
    assert torch.equal(ours.spikes.float(), wanted.spikes)
    assert torch.equal(ours.overloads, wanted.overloads)
    tallied = counted(wanted.spikes.flatten(1)[:, None] / code.alphabet.magnitudes[-1])
    assert torch.equal(ours.fired.positive, tallied.positive)
    assert torch.equal(ours.fired.negative, tallied.negative)
    assert ours.fired.silent == tallied.silent
    assert ours.fired.units.tolist() == tallied.units.tolist()


def test_a_code_with_a_neuron_of_its_own_takes_the_steps_and_the_log_says_so_once(monkeypatch):
    code, own = named("growing-burst", steps=4), Given([torch.rand(4, 2, 3)], [None], torch.float32, signed=False)
    said = []
    choice._said.cache_clear()
    monkeypatch.setattr(logging.getLogger("canonic"), "info", lambda text, *args: said.append(text % args))
    for _ in range(2):
        did = weighted_scan(code, code, own, silent=0)
        assert torch.equal(did.spikes, by_steps(code, code, 0, own).spikes)
    assert said == [f"neurons run as torch operators, with the same spikes, as {own_neuron(code)}"]
    assert said[0].endswith("the code growing-burst has a neuron of its own")


def test_a_ceiling_is_left_to_the_steps():
    code, rate = CSS(3, 0, levels=4), named("rate", steps=3)
    own = Given([torch.full((3, 1, 2), 3.0)], [None], torch.float32, signed=False, ceiling=torch.tensor([1.0, 9.0]))
    did = weighted_scan(code, rate, own, silent=3)
    assert code.decode(did.spikes).tolist() == [[1.0, 3.0]]
    assert code.decode(weighted_scan(code, rate, replace(own, ceiling=None), silent=3).spikes).tolist() == [[3.0, 3.0]]
