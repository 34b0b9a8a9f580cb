"""When to answer: the first event, what is learned from it, and that nothing behind it matters."""

from itertools import groupby
from math import log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from canonic.datasets import open_data
from canonic.datasets.data import Preprocessing
from canonic.datasets.parts import train_and_test
from canonic.datasets.spotting import known_from, spotting
from canonic.errors import CanonicError, DataError
from canonic.learn import LIF, Population, Recipe, unroll
from canonic.learn.rank import answering, at_the_answer
from canonic.learn.zoo import entry
from canonic.learn.zoo.parts import first, first_step
from canonic.learn.zoo.rank import HIDDEN, STEPS, Answered, Brightest, Memory
from canonic.measure.table import dense
from canonic.neurons.leaky import Leaky

TOP = log(0.95 / 0.05)


def scores(steps=6, batch=5, classes=3, seed=0, spread=2.0):
    return spread * torch.randn(steps, batch, classes, generator=torch.Generator().manual_seed(seed))


def test_three_samples_of_three_steps_and_four_classes_are_answered_at_the_first_that_is_sure():
    outputs = torch.full((3, 3, 4), 0.5)
    outputs[1, 0, 2] = outputs[2, 0, 1] = outputs[2, 0, 3] = 0.96  # the second step, though the third has two events
    outputs[0, 1, 0] = 0.99
    outputs[:2, 2] = 0.95  # not above it
    run = answering(torch.logit(outputs))
    assert first_step(run).tolist() == [2, 1, 3]
    assert first(run)[-1].argmax(1)[:2].tolist() == [2, 0]


@given(st.floats(-8, 8))
def test_two_classes_are_one_output_that_is_sure_of_either(z):
    events = answering(torch.tensor([[[0.0, z]]], dtype=torch.float64)).output[0, 0].tolist()
    assert events == [float(z < -TOP), float(z > TOP)]


def tuned(memory, stream):
    """Scale the scores of a memory so that about half of the samples are answered in the first half of their steps."""
    with torch.no_grad():
        memory.last.bias.zero_()
        top = memory(stream).amax(2)[: len(stream) // 2].amax(0).median()
        memory.last.weight.mul_(1.001 * TOP / top)


def by_hand(run, y, squashed, entropy):
    """Return the loss, sample by sample."""
    v, total = run.membranes["scores"].detach().double().numpy(), 0.0
    for sample in range(v.shape[1]):
        fired = [t for t in range(len(v)) if run.output[t, sample].any()]
        t = fired[0] if fired else len(v) - 1
        z = 1 / (1 + np.exp(-v[t, sample])) if squashed else v[t, sample]
        p = np.exp(z) / np.exp(z).sum()
        label = int(y[sample] if y.dim() == 1 else y[sample, t])
        total += -np.log(p[label]) + entropy * (p * np.log(p)).sum()
    return total / v.shape[1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.sampled_from([0.0, 0.3]), st.booleans())
def test_the_loss_is_that_of_the_step_of_the_answer(seed, squashed, entropy, each):
    run = answering(scores(seed=seed))
    y = torch.randint(3, (5, 6) if each else (5,), generator=torch.Generator().manual_seed(seed))
    found = at_the_answer(run, y, squashed=squashed, entropy=entropy).item()
    assert found == pytest.approx(by_hand(run, y, squashed, entropy), rel=1e-5)


def test_the_loss_of_two_classes_is_binary_cross_entropy():
    z, y = scores(1, 9, 1)[0, :, 0], torch.arange(9) % 2
    run = answering(torch.stack([torch.zeros_like(z), z], 1)[None])
    expected = F.binary_cross_entropy_with_logits(z, y.float())
    torch.testing.assert_close(at_the_answer(run, y, squashed=True), expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.sampled_from([0.0, 0.1]))
def test_no_other_step_gets_a_gradient(seed, squashed, entropy):
    given_ = scores(seed=seed).requires_grad_()
    run = answering(given_)
    at_the_answer(run, torch.arange(5) % 3, squashed=squashed, entropy=entropy).backward()
    there = torch.arange(1, 7)[:, None] == first_step(run)
    assert given_.grad[there].ne(0).any(1).all()
    assert not given_.grad[~there].any()


def test_an_answer_without_a_label_costs_nothing():
    v = scores().requires_grad_()
    loss = at_the_answer(answering(v), torch.full((5, 6), -100))
    loss.backward()
    assert loss.item() == float(v.grad.abs().sum()) == 0.0


def test_what_comes_behind_the_answer_changes_neither_it_nor_the_gradient():
    torch.manual_seed(0)
    net, x, y = Memory(4, 3), torch.randn(12, 1, 4).expand(-1, 5, -1), torch.arange(5) % 3
    tuned(net, x[:, :1])
    found = []
    step = int(first_step(answering(net(x))).max())
    assert 1 < step < 12
    other = torch.cat([x[:step], torch.randn(12 - step, 5, 4)])
    for given_ in (x, x[:step], other):
        net.zero_grad()
        run = answering(net(given_))
        at_the_answer(run, y, entropy=0.1).backward()
        found.append((first_step(run), first(run)[-1], *(p.grad for p in net.parameters())))
    for cut in found[1:]:
        for one, another in zip(found[0], cut, strict=True):
            torch.testing.assert_close(one, another, rtol=1e-6, atol=1e-7)


def test_a_spiking_network_learns_from_its_first_event_too():
    torch.manual_seed(0)
    outputs = Population(Leaky(theta=0.5), membrane=True)
    net = nn.Sequential(nn.Linear(4, 8), Population(LIF()), nn.Linear(8, 3), outputs)
    run, y = unroll(net, 2 * torch.rand(5, 4), steps=7), torch.arange(5) % 3
    steps = first_step(run)
    assert run.output.any()
    expected = F.cross_entropy(run.membranes["3"][steps - 1, torch.arange(5)], y)
    torch.testing.assert_close(at_the_answer(run, y), expected)


def test_pictures_are_read_brightest_pixels_first():
    x = ((torch.arange(100) + 0.5) / 100).view(1, 1, 100)
    train = Brightest()(x)
    assert train.shape == (STEPS, 1, 100)
    assert train.sum(0).max() == 1
    for value, spikes in zip(x.flatten().double().tolist(), train[:, 0].T, strict=True):
        bucket = int(np.floor(value * STEPS))
        assert spikes.nonzero().flatten().tolist() == ([STEPS - bucket] if bucket else [])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=5, max_size=30))
def test_a_run_is_known_where_its_fifth_bit_comes(bits):
    at, expected = 0, len(bits) + 1
    for _, run in groupby(bits):
        length = len(list(run))
        if length >= 5:
            expected = at + 5
            break
        at += length
    assert known_from(np.array([bits])).tolist() == [expected]


def test_the_bits_of_spotting_are_always_the_same_and_their_classes_are_right():
    assert train_and_test("spotting") == ("spotting:train", "spotting:test")
    one, two = open_data("spotting:test"), spotting("spotting:test", Preprocessing())
    (x, y), (again, _) = one[3], two[3]
    assert torch.equal(x, again)
    bits = torch.stack([one[k][0] for k in range(500)])[:, :, 0]
    assert set(bits.unique().tolist()) == {-1.0, 1.0}
    runs = [max(len(list(run)) for _, run in groupby(row.tolist())) >= 5 for row in bits]
    assert runs == [bool(one[k][1]) for k in range(500)]
    assert 0.5 < sum(runs) / 500 < 0.6
    assert y in (0, 1)
    other = open_data("spotting:train")
    assert not torch.equal(bits[:100], torch.stack([other[k][0] for k in range(100)])[:, :, 0])


@pytest.mark.parametrize(("name", "shape"), [("rank", (1, 8, 8)), ("rank-spotting", (25, 1))])
def test_additions_and_multiplications_end_with_the_answer(name, shape):
    known = entry(name)
    system = known.system(shape, 3, Recipe(1, 20))
    torch.manual_seed(0)
    x = torch.rand(6, *shape) if name == "rank" else torch.randint(0, 2, (6, *shape)) * 2.0 - 1
    tuned(system.net[1], system.net[0](x))
    trial = Answered(system)
    found, stream = trial.outcome(x), system.net[0](x)
    assert 1 < float(found.decided.double().mean()) < trial.steps == len(stream)
    additions = products = 0
    for sample, steps in enumerate(found.decided.tolist()):
        additions += 4 * HIDDEN * int((stream[:steps, sample] != 0).sum())
        products += steps * (4 * HIDDEN * HIDDEN + 3 * HIDDEN)
    assert (found.additions, found.multiplications) == (additions, products)
    assert torch.equal(found.readout, system.answer(x))
    assert trial.neurons == {}
    if name == "rank-spotting":
        numbers = trial.outcome(0.5 * x)
        wanted = sum(numbers.decided.tolist()) * HIDDEN * (4 * HIDDEN + 3 + 4)
        made = (numbers.additions - numbers.framed, numbers.multiplications + numbers.framed)
        assert (made, numbers.numbers, found.numbers) == ((0, wanted), len(x), 0)


@pytest.mark.parametrize(("name", "shape"), [("rank", (1, 8, 8)), ("rank-spotting", (25, 1))])
def test_the_products_of_memory_cells_are_counted_beside_it(name, shape):
    known, steps, wide = entry(name), {"rank": STEPS, "rank-spotting": 25}[name], {"rank": 64, "rank-spotting": 1}[name]
    made = dense(known.ann(shape, 3), torch.zeros(1, *shape))["ann_MACs"]
    assert made == steps * HIDDEN * (4 * (wide + HIDDEN) + 3)


def test_rank_begins_from_the_network_that_answers_at_the_last_step():
    known, x = entry("rank"), torch.rand(3, 1, 8, 8)
    net, ann = known.build((1, 8, 8), 10), known.ann((1, 8, 8), 10)
    known.begin(net, ann, x)
    assert torch.equal(net(x)[-1], ann(x))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: answering(scores(), 1.0), CanonicError, r"sure must lie in \(1/2, 1\), got 1.0: take 0.95"),
        (lambda: at_the_answer(answering(scores()), torch.full((5,), 3)), DataError, "label 3 is none of the 3"),
        (lambda: spotting("spotting", Preprocessing()), DataError, "for spotting have no part 'spotting'"),
        (lambda: open_data("spotting:tst"), DataError, "no part 'spotting:tst': did you mean spotting:test"),
        (lambda: entry("rank-spotting").build((1, 8, 8), 2), DataError, r"for sequences .* the shape \[1, 8, 8\]"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
