"""The measures of a network, against a count by hand."""

import json
import re
from fractions import Fraction

import pytest
import torch
from torch import nn

from canonic import CSS, DataError, Settings, evaluate
from canonic.cluster import Workers
from canonic.conversion import convert
from canonic.measure.evaluation import measure_batch, meter_of
from canonic.report import accuracy_against_steps, save_figure
from canonic.report.page import report


@pytest.fixture(scope="module")
def snn():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    return convert(model, [torch.randn(50, 6)], code=CSS(steps=5, silent=1))


@pytest.fixture(scope="module")
def data():
    torch.manual_seed(1)
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
    assert evaluation.source_accuracy == int((source == y).sum()) / 27
    network = evaluation.network
    assert evaluation.first_answer == 3
    assert (network.total_steps, network.depth, network.steps, network.silent) == (7, 2, 5, (1, 1))
    assert network.between_samples == 6


def test_spikes_are_counted_by_layer_digit_and_sign(snn, data):
    evaluation = evaluate(snn, data)
    x = torch.cat([x for x, _ in data])
    for name, trace in snn.trace(x).items():
        firing, spikes = evaluation.counts.firing[name], trace.spikes[1:].tolist()
        positive = [sum(s == 1 for sample in digit for s in sample) for digit in spikes]
        negative = [sum(s == -1 for sample in digit for s in sample) for digit in spikes]
        silent = sum(all(spikes[t][b][n] == 0 for t in range(5)) for b in range(27) for n in range(len(spikes[0][0])))
        assert (list(firing.positive), list(firing.negative), firing.silent) == (positive, negative, silent)
    total = sum(float(trace.spikes.abs().sum()) for trace in snn.trace(x).values())
    assert evaluation.spikes_per_neuron == pytest.approx(total / (27 * 20))


def test_flips_and_the_five_best(data):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 9)).eval()
    snn = convert(model, [torch.randn(50, 6)], code=CSS(steps=2, silent=0))
    x, y = torch.randn(200, 6), torch.randint(9, (200,))
    answers = evaluate(snn, [(x, y)]).counts.answers
    ours, theirs = snn(x).argmax(-1) == y, model(x).argmax(-1) == y
    pairs = list(zip(ours.tolist(), theirs.tolist(), strict=True))
    source = answers.source
    assert (source.lost, source.won) == (pairs.count((False, True)), pairs.count((True, False)))
    assert source.lost > 0
    assert source.won > 0
    assert answers.top5 == sum(int(c) in row.argsort(descending=True)[:5] for row, c in zip(snn(x), y, strict=True))


def test_parts_add_up_to_the_whole(snn, data):
    (x1, y1), (x2, y2) = data
    meter = meter_of(snn)
    whole = measure_batch(meter, (torch.cat([x1, x2]), torch.cat([y1, y2])))
    sum_of_parts = measure_batch(meter, (x1, y1)) + measure_batch(meter, (x2, y2))
    assert sum_of_parts.counts.answers == whole.counts.answers
    assert sum_of_parts.counts.firing == whole.counts.firing
    assert sum_of_parts.counts.digest == whole.counts.digest
    assert sum_of_parts.operations == whole.operations
    assert sum_of_parts.source_operations == whole.source_operations
    assert float(sum_of_parts.counts.outputs["output"].errors.source.signal) == pytest.approx(
        float(whole.counts.outputs["output"].errors.source.signal)
    )


def test_sums_do_not_depend_on_the_order(snn, data):
    meter = meter_of(snn)
    parts = [measure_batch(meter, batch) for batch in data * 2]
    assert (parts[0] + parts[1] + parts[2]).counts == (parts[2] + parts[1] + parts[0]).counts
    assert isinstance(parts[0].counts.outputs["output"].errors.source.signal, Fraction)


def test_evaluations_of_different_networks_cannot_be_merged(snn, data):
    other = snn.to_precision("int8")
    with pytest.raises(DataError, match="evaluations of different networks cannot be merged: their fingerprints are"):
        evaluate(snn, data) + evaluate(other, data)


def test_what_was_measured_in_another_way_cannot_be_merged(snn, data):
    x, y = data[0]
    classes = evaluate(snn, [(x, y)])
    with pytest.raises(DataError, match="evaluations with different kinds of task cannot be merged"):
        evaluate(snn, [(x, y), (x, snn.source(x))])
    with pytest.raises(DataError, match="evaluations with different references cannot be merged"):
        classes + evaluate(snn, [(x, y)], reference=snn.source)
    with pytest.raises(DataError, match="evaluations with different energy models cannot be merged"):
        classes + evaluate(snn, [(x, y)], energy=["horowitz45"])


def plain(evaluation):
    found = evaluation.to_json()
    found["latency"].pop("wall")
    return json.dumps(found)


def test_two_runs_give_the_same_json_but_for_times(snn, data):
    assert plain(evaluate(snn, data, baselines=27)) == plain(evaluate(snn, data, baselines=27))


def test_json_has_no_infinity_and_no_nan(snn, data):
    json.dumps(evaluate(snn, data, baselines=27).to_json(), allow_nan=False)
    json.dumps(evaluate(snn, [(data[0][0], snn.source(data[0][0]))]).to_json(), allow_nan=False)


def test_processes_take_shares(snn, data):
    shares = [evaluate(snn, data, group=Alone(rank, 2)) for rank in range(2)]
    assert [share.samples for share in shares] == [20, 7]
    assert (shares[0] + shares[1]).counts == evaluate(snn, data).counts


class Alone(Workers):
    """A process of a group that hears nothing of the others."""

    def together(self, work):
        return [work()]


def paths(value, path=""):
    """Yield the path and the value of every leaf of plain data."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from paths(inner, f"{path}/{key}")
    else:
        yield path, value


@pytest.mark.parametrize("kind", ["classes", "targets", "unlabelled"])
def test_without_a_source_network_all_else_is_as_with_it(snn, data, kind):
    """What needs a source network is absent, not zero; the rest is the same to the last digit."""
    batches = {
        "classes": data,
        "targets": [(x, snn.source(x) + 1) for x, _ in data],
        "unlabelled": [x for x, _ in data],
    }[kind]
    beside, alone = evaluate(snn, batches), evaluate(snn, batches, reference=None)
    assert not alone.compared
    assert str(alone.snr) == str(alone.agreement) == str(alone.source_accuracy) == "nan"
    assert alone.samples == beside.samples == 27
    whole, found = dict(paths(beside.to_json())), dict(paths(alone.to_json()))
    changed = {name for name, value in found.items() if whole.get(name) != value and "wall" not in name}
    needs = "source|agreement|snr_db|flips|^/task$|/rows$"
    assert {name for name in changed if not re.search(needs, name)} == set()
    assert {str(found[name]) for name in changed if "rows" not in name} <= {"None", "activity"}
    assert (found["/task"] == "activity") == (kind == "unlabelled")
    for name in ("horowitz45", "traffic45"):
        rows, others = (given[f"/energy/models/{name}/rows"] for given in (found, whole))
        assert rows == [row for row in others if not row["id"].startswith("source")]
    assert "against source" not in str(alone)


def test_without_a_source_network_a_page_is_made_and_nothing_is_invented(snn, data):
    for batches in (data, [x for x, _ in data]):
        found = evaluate(snn, batches, reference=None)
        page = report(found.to_json(), snn.verify([data[0][0]]).to_json(), snn.describe())
        assert "with no source network" in page or "no source network to compare with" in page
        assert "nan" not in re.sub("<script.*?</script>", "", page, flags=re.DOTALL)
    assert "spiking " in str(evaluate(snn, data, reference=None))


def test_what_was_measured_alone_is_not_merged_with_what_was_compared(snn, data):
    alone = evaluate(snn, data[:1], reference=None)
    assert (alone + evaluate(snn, data[1:], reference=None)).counts == evaluate(snn, data, reference=None).counts
    with pytest.raises(DataError, match="evaluations with different references cannot be merged"):
        alone + evaluate(snn, data[1:], reference=snn.source)
    with pytest.raises(DataError, match="baselines are judged beside the source network: leave them out, or compare"):
        evaluate(snn, data, reference=None, baselines=10)


def test_another_reference_may_be_given(snn, data):
    evaluation = evaluate(snn, data, reference=lambda x: torch.eye(3)[0].expand(len(x), 3))
    assert evaluation.agreement < 1
    assert evaluation.to_json()["operations"]["source"] is None


def test_a_reference_in_training_mode_is_refused(snn, data):
    with pytest.raises(DataError, match="the reference is in training mode"):
        evaluate(snn, data, reference=nn.Sequential(nn.Linear(6, 3)))


@pytest.mark.parametrize("answer", [lambda x: (x, x), lambda x: torch.zeros(len(x), 2), lambda x: None])
def test_a_reference_of_another_form_is_refused(snn, data, answer):
    with pytest.raises(DataError, match=r"the reference must return what the network returns, \[20, 3\], got"):
        evaluate(snn, data, reference=answer)


def test_baselines_are_a_number_of_samples(snn, data):
    with pytest.raises(DataError, match="baselines must be a number of samples, 0 for none, got -1"):
        evaluate(snn, data, baselines=-1)


def test_a_regression_has_errors_and_no_accuracy():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    x = torch.rand(12, 1, 5, 5)
    snn, target = convert(model, [x]), torch.randn(12, 2, 5, 5)
    found = evaluate(snn, [(x[:8], target[:8]), (x[8:], target[8:])]).to_json()
    assert found["task"] == "regression"
    assert found["accuracy"] is None
    assert found["error"]["mse"] == pytest.approx(float((snn(x) - target).square().mean()), rel=1e-5)
    assert found["error"]["source_mse"] == pytest.approx(float((snn.source(x) - target).square().mean()), rel=1e-5)
    noise = (snn(x) - snn.source(x)).square().sum() / snn.source(x).square().sum()
    assert found["error"]["snr_db"] == pytest.approx(-10 * float(noise.log10()), abs=1e-3)


def test_a_network_with_two_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, x, y):
            return self.b(torch.relu(self.a(x) + y))

    x, y = torch.randn(10, 4), torch.randn(10, 6)
    snn = convert(Two().eval(), [(x, y)])
    assert evaluate(snn, [(x, y, torch.zeros(10, dtype=torch.int64))]).samples == 10


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
            r"a class or a target for each of their samples; its last one is torch.int64 \[1\]",
        ),
        ([(torch.zeros(2, 6), [0, 1])], "its last one is a list of 2 ints"),
        (
            [(torch.zeros(2, 6), torch.zeros(2))],
            r"the targets have the shape \[2\], the output of the network \[2, 3\]",
        ),
        ([(torch.full((2, 6), torch.nan), torch.tensor([0, 1]))], "the evaluation: input input holds NaN or infinity"),
    ],
)
def test_data_that_does_not_fit(snn, batches, message):
    with pytest.raises(DataError, match=message):
        evaluate(snn, batches)


def test_networks_that_do_not_fit():
    x = torch.rand(2, 1, 4, 4)
    classes = torch.zeros(2, dtype=torch.int64)
    picture = convert(nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU()), [x])
    with pytest.raises(DataError, match=r"classes must be whole numbers \[batch\] for an output \[batch, classes\]"):
        evaluate(picture, [(x, classes)])

    class Pair(nn.Module):
        def forward(self, x):
            return x.relu(), x

    with pytest.raises(
        DataError, match=r"the labels of the data are of one output .* has 2 \(0, 1\): say which, .*'0'"
    ):
        evaluate(convert(Pair(), [x]), [(x, classes)])


def test_targets_that_are_not_numbers_are_refused(snn, data):
    x, _ = data[0]
    with pytest.raises(DataError, match="the targets hold NaN or infinity"):
        evaluate(snn, [(x, torch.full((20, 3), torch.nan))])


class Failing(list):
    def __iter__(self):
        yield from list.__iter__(self)
        raise OSError("the disk is gone")


def test_what_was_seen_before_the_data_failed_is_kept_and_marked(snn, data):
    evaluation = evaluate(snn, Failing(data))
    assert evaluation.gap == "the data failed (OSError: the disk is gone) after 27 samples"
    with pytest.raises(OSError, match="the disk is gone"):
        evaluate(snn, Failing([]))


class Interrupted(list):
    def __iter__(self):
        yield from list.__iter__(self)
        raise KeyboardInterrupt


class Shorter:
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)

    def __len__(self):
        return 5


def test_what_was_seen_before_an_interrupt_is_kept_and_marked(snn, data):
    evaluation = evaluate(snn, Interrupted(data))
    assert (evaluation.samples, evaluation.complete) == (27, False)
    assert evaluation.to_json()["data"]["gap"] == "interrupted after 27 samples"
    with pytest.raises(KeyboardInterrupt):
        evaluate(snn, Interrupted([]))


def test_data_that_ends_early_is_marked(snn, data):
    assert evaluate(snn, Shorter(data)).gap == "the data ended after 2 of 5 batches"


def test_a_network_with_silent_steps_of_its_own_for_each_layer(data):
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    snn = convert(model, [torch.randn(50, 6)], settings=Settings(silent="auto"))
    low, high = snn.graph.silent
    assert evaluate(snn, data).to_json()["network"]["k"] == (low if low == high else [low, high])


def test_the_picture_is_a_png_with_a_line_for_each_network(snn, data, tmp_path):
    figure = accuracy_against_steps({"one": evaluate(snn, data), "two": evaluate(snn, data)})
    save_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert len(figure.axes[0].lines) == 3
