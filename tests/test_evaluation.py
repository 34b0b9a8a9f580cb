"""The measures of a network, against a count by hand."""

import pytest
import torch
from torch import nn

from canonic import CSS, DataError, convert, evaluate
from canonic.measure.evaluation import count_batch
from canonic.report import accuracy_against_steps, save_figure


@pytest.fixture
def snn():
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    return convert(model, [torch.randn(50, 6)], code=CSS(steps=5, silent=1))


@pytest.fixture
def data():
    return [(torch.randn(20, 6), torch.randint(3, (20,))), (torch.randn(7, 6), torch.randint(3, (7,)))]


def test_it_counts_what_a_loop_counts(snn, data):
    evaluation = evaluate(snn, data)
    x, y = torch.cat([x for x, _ in data]), torch.cat([y for _, y in data])
    answers, source = snn.readout(x).argmax(-1), snn.source(x).argmax(-1)
    assert evaluation.samples == 27
    for step in range(snn.total_steps):
        right = sum(int(a == b) for a, b in zip(answers[step], y, strict=True))
        same = sum(int(a == b) for a, b in zip(answers[step], source, strict=True))
        assert evaluation.accuracy_by_step[step] == right / 27
        assert evaluation.agreement_by_step[step] == same / 27
    spikes = sum(float(trace.spikes.abs().sum()) for trace in snn.trace(x).values())
    assert evaluation.spikes_per_neuron == pytest.approx(spikes / (27 * 20))
    assert evaluation.source_accuracy == int((source == y).sum()) / 27
    assert (evaluation.total_steps, evaluation.depth, evaluation.steps, evaluation.silent) == (7, 2, 5, (1, 1))


def test_counts_of_parts_add_up_to_those_of_the_whole(snn, data):
    (x1, y1), (x2, y2) = data
    whole = count_batch(snn, torch.cat([x1, x2]), torch.cat([y1, y2]), snn.source)
    assert count_batch(snn, x1, y1, snn.source) + count_batch(snn, x2, y2, snn.source) == whole


def test_two_runs_give_the_same(snn, data):
    assert evaluate(snn, data) == evaluate(snn, data)


def test_the_source_may_be_given(snn, data):
    assert evaluate(snn, data, source=lambda x: torch.eye(3)[0].expand(len(x), 3)).agreement < 1


def test_a_source_in_training_mode_is_refused(snn, data):
    with pytest.raises(DataError, match="the source network is in training mode"):
        evaluate(snn, data, source=nn.Sequential(nn.Linear(6, 3)))


def test_overloads_fall_with_silent_steps():
    model = nn.Sequential(
        *[layer for _ in range(4) for layer in (nn.Linear(32, 32), nn.ReLU())], nn.Linear(32, 3)
    ).eval()
    x = torch.randn(200, 32)
    rates = []
    for silent in (0, 1, 2, 6):
        snn = convert(model, [x], code=CSS(steps=6, silent=silent))
        rates.append(sum(evaluate(snn, [(x, torch.zeros(200, dtype=torch.int64))]).overload_rate.values()))
    assert rates[0] > rates[1] > rates[2] >= rates[3]


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "the evaluation data is empty"),
        (
            [(torch.zeros(2, 6), torch.tensor([0, 3]))],
            r"a label lies outside 0 .. 2: the network tells 3 classes apart",
        ),
        ([(torch.zeros(2, 6), torch.tensor([-1, 0]))], "a label lies outside"),
        (
            [(torch.zeros(2, 6), torch.tensor([1]))],
            r"one whole number for each of the 2 samples, got torch.int64 \[1\]",
        ),
        ([(torch.zeros(2, 6), torch.zeros(2))], "got torch.float32"),
        ([(torch.zeros(2, 6),)], "a batch holds no labels"),
    ],
)
def test_data_that_does_not_fit(snn, batches, message):
    with pytest.raises(DataError, match=message):
        evaluate(snn, batches)


def test_only_classifiers_are_evaluated():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU())
    snn = convert(model, [torch.rand(2, 1, 4, 4)])
    with pytest.raises(DataError, match=r"evaluate measures classifiers with one output \[batch, classes\]"):
        evaluate(snn, [(torch.rand(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64))])


def test_the_picture_is_a_png_with_a_line_for_each_network(snn, data, tmp_path):
    figure = accuracy_against_steps({"one": evaluate(snn, data), "two": evaluate(snn, data)})
    save_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert len(figure.axes[0].lines) == 3
