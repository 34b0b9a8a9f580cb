"""The encoders of inputs: closed forms, references in numpy, and what cannot be decoded."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from canonic import CanonicError
from canonic.codes import Delta, Difference, HybridInput, Poisson, RankOrder, ReceptiveFields

units = st.lists(st.floats(0, 1), min_size=1, max_size=20)
signals = st.lists(st.floats(-3, 3), min_size=1, max_size=30)
UNIFORM = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000


def doubles(values):
    return torch.tensor(values, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_poisson_is_unbiased_with_the_deviation_of_its_closed_form():
    x = doubles([-1.0, -0.7, -0.2, 0.0, 0.1, 0.5, 1.0])
    code = Poisson(steps=16)
    trains = code.encode(x.expand(20_000, -1), seeded())
    decoded, deviation = code.decode(trains).numpy(), np.sqrt(np.abs(x.numpy()) * (1 - np.abs(x.numpy())) / 16)
    assert np.allclose(decoded.mean(0), x, atol=5 * deviation.max() / math.sqrt(20_000))
    assert np.allclose(decoded.std(0), deviation, atol=2e-3)
    assert code.budget.error == pytest.approx(deviation.max(), abs=1e-12)


def test_poisson_draws_what_its_generator_says():
    x = torch.rand(5, 3, generator=seeded(1)) * 2 - 1
    assert torch.equal(Poisson(8).encode(x, seeded(2)), Poisson(8).encode(x, seeded(2)))
    assert not torch.equal(Poisson(8).encode(x, seeded(2)), Poisson(8).encode(x, seeded(3)))


def test_poisson_may_be_silent_at_the_end():
    x = torch.rand(5, 3, generator=seeded(1))
    all_steps, some = (Poisson(8, sends).encode(x, seeded(2)) for sends in (None, 6))
    assert torch.equal(some[:6], all_steps[:6])
    assert not some[6:].any()
    assert torch.equal(Poisson(8, sends=6).decode(some), some[:6].mean(0))


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30, unique=True), st.integers(2, 40))
def test_ranks_are_those_of_numpy_and_an_increasing_map_changes_nothing(values, steps):
    code, x = RankOrder(steps), doubles([values])
    train, last = code.encode(x), max(len(values) - 1, 1)
    ranks = (np.array(values)[None] > np.array(values)[:, None]).sum(1)
    when = train.argmax(0)[0].numpy()
    assert train.sum(0).eq(1).all()
    assert when.tolist() == [math.floor(rank * (steps - 1) / last + 1e-9) for rank in ranks]
    assert (ranks / last - when / (steps - 1) < code.budget.error).all()
    assert torch.equal(code.encode((x / 20).exp() - 7), train)


@given(st.permutations(range(9)), st.floats(0.1, 0.9), st.sampled_from([3, 5, 9]))
def test_a_rank_is_worth_a_power_of_q(order, q, steps):
    code = RankOrder(steps, q)
    decoded = code.decode(code.encode(doubles([order])))[0].numpy()
    first = [math.ceil(8 / (steps - 1) * math.floor((8 - place) * (steps - 1) / 8)) for place in order]
    assert np.allclose(decoded, q ** np.array(first))


@given(units, st.integers(2, 20), st.floats(0.5, 3))
def test_a_population_is_off_by_its_bias_at_the_border_at_most(values, neurons, width):
    code, mu = ReceptiveFields(8, neurons, width), np.linspace(0, 1, neurons)
    y = np.exp(-((np.array(values)[:, None] - mu) ** 2) / (2 * (width / (neurons - 1)) ** 2))
    decoded = code.read(code.fields(doubles(values)))
    assert np.allclose(decoded, (y * mu).sum(1) / y.sum(1))
    assert (decoded - doubles(values)).abs().max() <= code.bias + 1e-9
    assert code.read(code.fields(doubles([0.0, 1.0]))).tolist() == pytest.approx([code.bias, 1 - code.bias])


def test_a_population_sends_its_activities_by_latency_or_by_poisson():
    code, x = ReceptiveFields(steps=1024, neurons=6), UNIFORM[::40, None]
    assert (code.decode(code.encode(x)) - x).abs().max() < code.bias + 6 / 1024
    noisy = Poisson(4096).encode(code.fields(x), seeded())
    assert (code.read(Poisson(4096).decode(noisy)) - x).abs().max() < code.bias + 0.02


@given(signals, st.sampled_from([0.125, 0.5, 1.0]))
def test_send_on_delta_is_reconstructed_within_theta_after_every_frame(values, theta):
    frames = doubles(values)[:, None]
    events, reference = Delta(theta).encode(frames), 0.0
    for value, event in zip(values, events.flatten().tolist(), strict=True):
        assert event == math.copysign(math.floor(abs(value - reference) / theta), value - reference)
        reference += theta * event
    assert (Delta(theta).decode(events) - frames).abs().max() < theta


@given(signals)
def test_differences_are_signs_of_what_changed(values):
    events = Difference(0.5).encode(doubles(values)[:, None]).flatten().numpy()
    change = np.diff([0.0, *values])
    assert (events == np.where(np.abs(change) >= 0.5, np.sign(change), 0)).all()


def test_differences_are_not_decoded_as_slow_changes_are_lost():
    slow = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
    events = Difference(0.25).encode(slow)
    assert not events.any()
    with pytest.raises(CanonicError, match="drifts without bound: take Delta"):
        Difference(0.25).decode(events)
    assert (Delta(0.25).decode(Delta(0.25).encode(slow)) - slow).abs().max() < 0.25


@given(st.integers(2, 20))
def test_a_hybrid_input_is_a_number_then_one_spike_in_its_band(steps):
    code, x = HybridInput(steps), torch.linspace(0, 1, 997, dtype=torch.float64)
    train = code.encode(x)
    assert torch.equal(train[0], x)
    assert torch.equal(train[1:].sum(0), (x > 0).double())
    assert (code.decode(train) - x).abs().max() <= 1 / (steps - 1) + 1e-12
    assert len(HybridInput(1).encode(x)) == 1


@pytest.mark.parametrize(
    ("budget", "train"),
    [
        (Poisson(16).budget, lambda: Poisson(16).encode(UNIFORM, seeded())),
        (Poisson(16, 9).budget, lambda: Poisson(16, 9).encode(UNIFORM, seeded())),
        (HybridInput(16).budget, lambda: HybridInput(16).encode(UNIFORM)),
        (RankOrder(16).budget, lambda: RankOrder(16).encode(UNIFORM[None]).flatten(1)),
        (ReceptiveFields(16, 5).budget, lambda: ReceptiveFields(16, 5).encode(UNIFORM)),
        (ReceptiveFields(16, 3, 2.0).budget, lambda: ReceptiveFields(16, 3, 2.0).encode(UNIFORM)),
        (Delta(0.3).budget(6), lambda: Delta(0.3).encode(UNIFORM.expand(6, -1))),
        (Difference(0.3).budget(6), lambda: Difference(0.3).encode(UNIFORM.expand(6, -1))),
    ],
)
def test_budgets_are_those_of_uniform_numbers(budget, train):
    spikes = train()
    assert len(spikes) == budget.steps
    assert int(spikes.count_nonzero()) / len(UNIFORM) == pytest.approx(budget.spikes, rel=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Poisson(0), "steps of Poisson must be a whole number from 1 to 4096, got 0"),
        (lambda: Poisson(8, 9), "sends of Poisson must be a whole number from 1 to 8, got 9: take None for all steps"),
        (lambda: HybridInput(0), "steps of HybridInput must be a whole number from 1"),
        (lambda: HybridInput(4).encode(torch.tensor([1.5])), "HybridInput sends numbers from 0 to 1, got 1.5 to 1.5"),
        (lambda: RankOrder(1), "steps of RankOrder must be a whole number from 2"),
        (lambda: RankOrder(4, q=1.0), r"q of RankOrder must lie between 0 and 1 \(exclusive\), got 1.0"),
        (lambda: ReceptiveFields(8, 1), "neurons of ReceptiveFields must be a whole number from 2"),
        (
            lambda: ReceptiveFields(8, 4, 0.1),
            "width of ReceptiveFields must be 1/2 or more, got 0.1: they have to overlap",
        ),
        (lambda: Delta(0.0), "theta of Delta must be a positive number, got 0.0"),
        (lambda: Difference(math.nan), "theta of Difference must be a positive number, got nan"),
        (
            lambda: Poisson(4).encode(torch.tensor([1.5]), seeded()),
            r"must lie in \[-1, 1\], got 1.5 to 1.5: scale them",
        ),
        (lambda: Poisson(4).encode(torch.tensor([math.nan]), seeded()), r"must lie in \[-1, 1\], got nan"),
        (lambda: ReceptiveFields(4).encode(torch.tensor([-0.1])), r"must lie in \[0, 1\], got -0.1"),
    ],
)
def test_what_an_encoder_cannot_be_or_take_is_said(make, message):
    with pytest.raises(CanonicError, match=message):
        make()
