"""Losses and readouts against their definitions, in numpy."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from canonic.codes import readouts
from canonic.errors import CanonicError, DataError
from canonic.learn import losses


def numbers(*shape, seed=0, scale=1.0):
    return torch.tensor(np.random.default_rng(seed).normal(0, scale, shape))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
def test_first_to_spike_is_what_counting_all_outcomes_gives(steps, classes, seed):
    v = numbers(steps, 1, classes, seed=seed)
    p = 1 / (1 + np.exp(-v[:, 0].numpy()))
    alone, rest = np.zeros(classes), 0.0
    for outcome in itertools.product([0, 1], repeat=steps * classes):
        fires = np.array(outcome).reshape(steps, classes)
        probability = np.where(fires, p, 1 - p).prod()
        first = next((row for row in fires if row.any()), None)
        if first is not None and first.sum() == 1:
            alone[first.argmax()] += probability
        else:
            rest += probability  # nobody, or several at once
    np.testing.assert_allclose(losses.first_to_spike_log(v)[0].exp().numpy(), alone, atol=1e-12)
    assert losses.first_to_spike_log(v).exp().sum().item() + rest == pytest.approx(1, abs=1e-6)


def test_who_surely_fires_at_once_answers_at_once():
    v = torch.full((5, 1, 3), -1e4)
    v[0, 0, 1] = 1e4
    assert losses.first_to_spike(v, torch.tensor([1])).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["cross_entropy", "tet", "first_to_spike"])
def test_gradients_are_finite_differences(name):
    loss, v, y = getattr(losses, name), numbers(3, 2, 4).requires_grad_(), torch.tensor([3, 0])
    assert torch.autograd.gradcheck(lambda v: loss(v, y), (v,))


def test_only_the_step_of_the_first_event_gets_a_gradient():
    v, spikes = numbers(5, 3, 4).requires_grad_(), torch.zeros(5, 3, 4)
    spikes[2, 0, 1] = spikes[4, 0, 0] = spikes[0, 1, 3] = 1
    losses.at_first_event(v, spikes, torch.tensor([0, 1, 2])).backward()
    there = v.grad.abs().sum(2) > 0
    assert there.nonzero().tolist() == [[0, 1], [2, 0], [4, 2]]  # the third sample never fires: its last step


def test_each_step_counts_with_its_label_and_those_without_do_not():
    output, y = numbers(6, 2, 3), torch.tensor([[0, 1, 2, -100, 1, -100], [2, 2, -100, 0, 0, 1]])
    log = output.numpy() - np.log(np.exp(output.numpy()).sum(2, keepdims=True))
    wanted = [log[t, b, y[b, t]] for b in range(2) for t in range(1, 6) if y[b, t] != -100]
    assert losses.cross_entropy_each(output, y, first=2).item() == pytest.approx(-np.mean(wanted))


@pytest.mark.parametrize("shape", [(2, 5), (6, 2), (2,)])
def test_labels_that_are_not_of_each_step_are_refused(shape):
    with pytest.raises(
        DataError, match=r"labels of steps have the shape .*, the output has 6 steps of 2 samples: give"
    ):
        losses.cross_entropy_each(numbers(6, 2, 3), torch.zeros(shape, dtype=torch.int64))


def test_tet_is_the_mean_over_steps():
    output, y = numbers(4, 2, 3), torch.tensor([2, 0])
    each = [torch.nn.functional.cross_entropy(part, y).item() for part in output]
    expected = 0.9 * np.mean(each) + 0.1 * ((output.numpy() - 1) ** 2).mean()
    assert losses.tet(output, y, share=0.1).item() == pytest.approx(expected)


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_outside_are_named(label):
    with pytest.raises(DataError, match=rf"label {label} is none of the 3 classes of the output, 0 to 2"):
        losses.cross_entropy(numbers(2, 2, 3), torch.tensor([0, label]))
    with pytest.raises(DataError, match="none of the 3 classes"):
        losses.cross_entropy_each(numbers(1, 1, 3), torch.tensor([[label]]))


def test_readouts_are_their_sums():
    x = numbers(5, 2, 6)
    np.testing.assert_allclose(readouts.mean(x), x.numpy().mean(0))
    assert torch.equal(readouts.last(x), x[4])
    weights = 0.7 ** np.arange(4, -1, -1)
    np.testing.assert_allclose(readouts.weighted_mean(x, 0.7), np.einsum("t,tbc->bc", weights / weights.sum(), x))
    torch.testing.assert_close(readouts.weighted_mean(x, 1.0), readouts.mean(x))


def test_votes_are_sums_of_groups_and_of_one_each_a_count():
    spikes = (numbers(4, 3, 12) > 0).double()
    np.testing.assert_array_equal(readouts.votes(spikes, 3), spikes.numpy().sum(0).reshape(3, 3, 4).sum(2))
    assert torch.equal(readouts.votes(spikes, 12), spikes.sum(0))
    with pytest.raises(CanonicError, match="12 neurons do not divide into 5 classes: take 10 neurons"):
        readouts.votes(spikes, 5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_the_first_event_is_the_first_the_highest_of_several_or_of_none(seed):
    generator = np.random.default_rng(seed)
    spikes, v = (generator.random((4, 5, 3)) < 0.15).astype(float), generator.normal(size=(4, 5, 3))
    found = readouts.first_event(torch.tensor(spikes), torch.tensor(v))
    for b in range(5):
        step = next((t for t in range(4) if spikes[t, b].any()), 3)
        allowed = [c for c in range(3) if spikes[step, b, c]] or range(3)
        assert found.step[b] == step + 1
        assert found.answer[b] == max(allowed, key=lambda c: v[step, b, c])
        assert found.fired[b] == spikes[:, b].any()
