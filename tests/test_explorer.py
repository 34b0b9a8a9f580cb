"""What the explorer shows of a network: the spikes that a trace has, and the readout at every step."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from canonic import CSS, DataError, Override, Settings
from canonic.codes import code_of
from canonic.conversion import convert
from canonic.report import explorer, inputs
from canonic.report.explorer import explore
from canonic.report.library import bundle
from canonic.report.sheets import pack, part, ranks, sheet, unpack
from tests.lambdas import Lambda


@pytest.fixture
def snn():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(5),
    )
    model(torch.zeros(1, 3, 8, 8))
    return convert(model.eval(), [torch.rand(60, 3, 8, 8)], code=CSS(steps=5, silent=1))


shapes = st.lists(st.integers(1, 40), min_size=1, max_size=4).map(tuple)


@given(shape=shapes, limit=st.integers(16, 400), steps=st.integers(1, 4))
def test_a_sheet_shows_at_most_its_limit_and_the_digits_that_it_says(shape, limit, steps):
    found = sheet(shape, limit)
    assert 1 <= found.shown <= limit
    spikes = torch.randint(-1, 2, (steps, *shape), dtype=torch.int8)
    shown = part(found, spikes)
    assert shown.shape == (steps, found.shown)
    assert found.maps * found.height * found.width >= found.shown
    if found.stride == 1 and found.maps == found.channels:
        assert shown.tolist() == spikes.flatten(1).tolist()  # all of them, in order


@given(st.data(), st.lists(st.sampled_from([1, 2, 8, 127]), max_size=4))
def test_unpacking_gives_what_was_packed(data, sizes):
    rows = [data.draw(st.lists(st.integers(-size, size), max_size=23)) for size in sizes]
    arrays = [np.array(row, np.int8) for row in rows]
    assert unpack(pack(arrays, sizes), [len(row) for row in rows], sizes) == rows


@pytest.mark.parametrize(
    "text", ["css:8", "css:4,silent=0,beta=4,levels=16", "burst:8", "growing-burst:8", "differential:8"]
)
def test_the_rank_of_an_event_gives_its_size_back(text):
    code = code_of(text)
    events = code.encode(torch.rand(99) * code.nominal)
    sizes = np.array([0.0, *sorted(code.alphabet.magnitudes)])
    found = ranks(events, code.alphabet.magnitudes).numpy()
    assert (np.sign(found) * sizes[np.abs(found)] == events.numpy()).all()


def test_the_largest_explorer_leaves_a_report_below_five_megabytes():
    digits = np.random.default_rng(0).integers(-1, 2, 500_000).astype(np.int8)  # nothing to deflate
    whole = len(pack([digits], [1])) * explorer.ROOM / (len(digits) / 5)
    picture = len(inputs.picture_of(torch.rand(3, 500, 500), {}).url)
    assert whole + 24 * picture + len(bundle()) < 4.7e6  # and figures of a few thousand bytes a layer


def test_it_shows_the_spikes_of_a_trace_and_the_readout_of_the_network(snn):
    samples = [(torch.rand(3, 8, 8), index) for index in range(2)]
    data = explore(snn, samples, ["a", "b", "c", "d", "e"])
    assert [layer.name for layer in data.layers] == [node.name for node in snn.graph.populations]
    assert (data.total_steps, data.first_answer, [len(layer.weights) for layer in data.layers]) == (7, 3, [5, 5])
    for (x, label), sample in zip(samples, data.samples, strict=True):
        traces, readout = snn.trace(x[None]), snn.readout(x[None])[:, 0]
        unpacked = unpack(sample.events, [layer.sheet.shown * 5 for layer in data.layers], [1, 1])
        for index, layer in enumerate(data.layers):
            spikes = traces[layer.name].spikes[layer.silent :, 0]
            assert layer.first == traces[layer.name].first + layer.silent
            assert unpacked[index] == spikes.flatten().int().tolist()
            assert sample.positive[index] == tuple((spikes > 0).flatten(1).sum(1).tolist())
            assert sample.negative[index] == tuple((spikes < 0).flatten(1).sum(1).tolist())
        np.testing.assert_allclose(sample.readout, readout[2:].numpy(), rtol=1e-4)
        np.testing.assert_allclose(sample.source, snn.source(x[None])[0].numpy(), rtol=1e-4)
        assert sample.answers == tuple(readout[2:].argmax(1).tolist())
        assert sample.source_answer == int(snn.source(x[None]).argmax())
        assert (sample.label, sample.outputs) == (label, (0, 1, 2, 3, 4))
    assert data.to_json()["layers"][0]["sheet"]["maps"] == 4


def test_digits_of_several_levels_are_shown_too():
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 4)).eval()
    snn = convert(model, [torch.rand(50, 6)], code=CSS(3, 0, 4.0, levels=6), progress=False)
    x = torch.rand(6)
    data = explore(snn, [(x, 0)])
    spikes = snn.trace(x[None])["1"].spikes[:, 0]
    assert data.layers[0].magnitudes == (1, 2, 3, 4, 5, 6)
    assert spikes.max() > 1
    assert unpack(data.samples[0].events, [60], [6]) == [spikes.flatten().int().tolist()]


def mixed():
    """Return a network whose populations send one spike, bursts, and events of several sizes and either sign."""
    torch.manual_seed(0)
    layers = (nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 3))
    codes = {
        "1": Override(code="latency:5"),
        "3": Override(code="burst:6,most=2"),
        "5": Override(code="multi-threshold:4"),
    }
    return convert(
        nn.Sequential(*layers).eval(), [torch.rand(50, 6)], settings=Settings(overrides=codes), progress=False
    )


def test_every_layer_is_shown_in_its_own_code_with_a_few_of_its_neurons():
    snn, x = mixed(), torch.rand(6)
    data = explore(snn, [(x, 0)])
    traces = snn.trace(x[None])
    assert [layer.code for layer in data.layers] == ["latency:5", "burst:6,most=2", "multi-threshold:4"]
    for layer, neurons in zip(data.layers, data.samples[0].watched, strict=True):
        trace, code = traces[layer.name], code_of(layer.code)
        assert (layer.first - layer.silent, layer.silent) == (trace.first, len(trace.spikes) - code.steps)
        assert (layer.weights, layer.norms) == (code.weights, code.norms)
        values = [code.decode(torch.tensor(neuron.events)).item() for neuron in neurons]
        assert values == sorted(values, reverse=True)
        assert values[0] == pytest.approx(float(code.decode(trace.spikes[layer.silent :]).max()))
        theta = snn.graph[layer.name].tensors["theta"].expand(trace.source.shape[1:])
        for neuron in neurons:
            at = (slice(None), 0, *neuron.place)
            assert neuron.events == tuple(trace.spikes[layer.silent :][at].tolist())
            assert neuron.membranes == pytest.approx(trace.membranes[at].tolist(), rel=1e-4, abs=1e-9)
            assert neuron.source == pytest.approx((trace.source[0] / theta)[neuron.place].item(), rel=1e-4, abs=1e-9)


def test_a_layer_that_is_too_large_is_shown_in_part(snn, monkeypatch):
    monkeypatch.setattr(explorer, "NEURONS", 128)
    data = explore(snn, [(torch.rand(3, 8, 8), 0)])
    assert (data.layers[0].neurons, data.layers[0].sheet.shown, data.layers[0].sheet.maps) == (256, 128, 2)


def test_the_more_samples_the_fewer_neurons(snn, monkeypatch):
    monkeypatch.setattr(explorer, "ROOM", 800)
    data = explore(snn, [(torch.rand(3, 8, 8), 0)] * 4)
    assert sum(layer.sheet.shown for layer in data.layers) * 5 * 4 <= 4000


def test_of_many_classes_those_are_shown_that_tell_most():
    model = nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 1000)).eval()
    snn = convert(model, [torch.rand(50, 6)])
    (sample,) = explore(snn, [(torch.rand(6), 999)]).samples
    assert len(sample.outputs) == len(sample.readout[0]) == 12
    assert {999, sample.source_answer, sample.answers[-1]} <= set(sample.outputs)


def test_a_picture_is_shown_as_it_was_before_its_preprocessing():
    x = torch.tensor([[[0.0, 1.0], [0.2, 0.6]]])
    known = inputs.picture_of((x - 0.5) / 0.25, {"mean": [0.5], "std": [0.25]})
    assert known == inputs.picture_of(x, {})
    assert (known.width, known.height, known.note) == (2, 2, "")
    assert "scaled to its own range" in inputs.picture_of(x * 5, {}).note


@pytest.mark.parametrize("shape", [(), (7,), (200,), (5, 9), (4, 6, 6), (2, 3, 4, 5)])
def test_an_input_that_is_no_picture_is_drawn_as_its_values(shape):
    picture = inputs.picture_of(torch.randn(shape), {})
    assert picture.url.startswith("data:image/png;base64,")
    assert "no picture" in picture.note


def test_a_recording_is_drawn_as_one_picture():
    x = torch.zeros(3, 2, 1, 3)
    x[0, 1, 0, 0], x[2, 0, 0, 1] = 2, 2
    drawn = inputs.picture_of(x, {})
    assert drawn.note == "of 3 x 2 x 1 x 3 numbers the sum of all second maps less that of the first"
    assert drawn.url == inputs.picture_of(torch.tensor([[[1.0, 0.0, 0.5]]]), {}).url


def test_tokens_are_named():
    assert inputs.picture_of(torch.tensor([5, 17]), {}).note == "its numbers: 5 17"
    assert inputs.picture_of(torch.arange(100), {}).note.endswith("39 ...")


def test_values_are_shown_without_labels_or_classes():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    snn = convert(model, [torch.rand(50, 6)])
    data = explore(snn, [(torch.rand(6), torch.rand(2)), (torch.rand(6),)], classifies=False)
    assert [sample.label for sample in data.samples] == [None, None]
    assert not data.classifies


def test_names_that_are_not_as_many_as_the_outputs(snn):
    with pytest.raises(DataError, match="the network has 5 outputs, but got 2 class names: give one for each"):
        explore(snn, [(torch.rand(3, 8, 8), 0)], ["a", "b"])


class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x, y):
        out = torch.relu(self.layer(x + y))
        return {"mean": out.mean(1), "logits": out}


def test_a_network_with_two_inputs_and_two_outputs():
    snn = convert(Sum().eval(), [(torch.rand(9, 3), torch.rand(9, 3))])
    x, y = torch.rand(3), torch.rand(3)
    for sample in ((x, y, 1), ((x, y), torch.tensor(1)), {"y": y, "x": x, "label": 1}):
        found = explore(snn, [sample], ["a", "b"])
        assert (found.outputs, found.classifies, found.samples[0].label) == (2, True, 1)
        assert found.samples[0].picture.note.startswith("x, one of 2 inputs; no picture")
        wanted = snn.source(x[None], y[None])["logits"][0].tolist()
        assert found.samples[0].source == pytest.approx(wanted, rel=1e-4)
    mean = explore(snn, [(x, y)], output="mean")
    assert (mean.outputs, mean.classifies, mean.samples[0].label) == (1, False, None)


def test_an_output_of_one_number():
    model = Lambda(lambda m, x: m.b(torch.relu(m.a(x))).mean(1), a=nn.Linear(4, 6), b=nn.Linear(6, 3)).eval()
    found = explore(convert(model, [torch.rand(9, 4)]), [(torch.rand(4), 0.5)])
    assert (found.outputs, found.classifies, found.samples[0].label) == (1, False, None)
