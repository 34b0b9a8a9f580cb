"""The main job: conversion, its settings, its record, and that the source is left alone."""

import copy

import pytest
import torch
from torch import nn

from canonic import CSS, ConversionError, Override, Settings, explain
from canonic.conversion import convert
from canonic.conversion.settings import resolve
from tests.networks import Lambda, build, conv, lively


@pytest.fixture
def model():
    return lively(nn.Sequential(conv(3, 6), nn.BatchNorm2d(6), nn.ReLU(), conv(6, 4), nn.ReLU(), conv(4, 2))).float()


@pytest.fixture
def x():
    return torch.randn(16, 3, 8, 8)


def test_the_source_model_is_not_changed(model, x):
    model.train()
    before = copy.deepcopy(model.state_dict())
    convert(model, [x])
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_the_calibration_data_is_not_changed_by_a_model_that_works_in_place():
    model = Lambda(lambda m, x: m.b(m.a(x.mul_(2).relu_()).relu_()), a=nn.Linear(5, 6), b=nn.Linear(6, 3)).eval()
    x = torch.randn(16, 5)
    before = x.clone()
    snn = convert(model, [x])
    assert torch.equal(x, before)
    snn(x)
    assert torch.equal(x, before)
    assert torch.allclose(snn.source(x), model(x.clone()), atol=1e-6)


def test_a_model_in_training_mode_is_converted_in_evaluation_mode(model, x):
    expected = convert(model, [x])
    snn = convert(model.train(), [x])
    assert torch.equal(snn(x), expected(x))
    assert "in training mode: the model; it was converted as" in str(snn)
    assert "training mode" not in str(expected)


def test_nothing_is_said_of_a_mode_that_nothing_asks_for():
    plain = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).train()
    assert "training mode" not in str(convert(plain, [torch.rand(16, 4)]))
    asks = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.ReLU(), nn.Linear(8, 3)).train()
    assert "training mode" in str(convert(asks, [torch.rand(16, 4)]))


def test_conversion_is_deterministic(model, x):
    assert torch.equal(convert(model, [x])(x), convert(model, [x])(x))


def test_batches_may_carry_labels_and_come_from_a_generator(model, x):
    expected = convert(model, [x[:8], x[8:]])(x)
    labelled = [(x[:8], torch.zeros(8)), (x[8:], torch.zeros(8))]
    assert torch.equal(convert(model, labelled)(x), expected)
    assert torch.equal(convert(model, iter(labelled))(x), expected)


def test_an_exported_program_is_a_model(model, x):
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (x,), dynamic_shapes=({0: batch},))
    assert torch.equal(convert(program, [x])(x), convert(model, [x])(x))


def test_the_type_of_the_model_is_that_of_the_network(model, x):
    assert convert(model, [x.double()])(x).dtype == torch.float32


def test_the_coding_of_an_input_can_be_overridden(model, x):
    settings = Settings(input="css", overrides={"input.spikes": Override(silent=2)})
    assert convert(model, [x], settings=settings).total_steps == 8 + 2 + 2


def test_several_inputs():
    model = Lambda(lambda m, x, y: m.b(torch.relu(m.a(x) + y)), a=nn.Linear(4, 5), b=nn.Linear(5, 2))
    program_inputs = torch.randn(9, 4), torch.randn(9, 5)
    two = _TwoInputs(model)
    snn = convert(two, [program_inputs], code=CSS(steps=12, silent=4))
    assert torch.allclose(snn(*program_inputs), two(*program_inputs), atol=0.02)
    assert explain(two, program_inputs).populations == 1


class _TwoInputs(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, y, scale=1.0):
        return self.inner(x, y) * scale


def test_batch_norm_is_folded_into_convolutions_and_linear_layers(model, x):
    assert not any("batch_norm" in node.operator for node in convert(model, [x]).graph.nodes)
    assert [node.kind for node in convert(model, [x]).graph.nodes].count("synapse") == 3


@pytest.mark.parametrize("name", ["conv bn", "residual", "concat", "max pooling", "depthwise", "pre-activation"])
def test_thresholds_are_folded_so_that_only_weights_remain_between_populations(name):
    """Every stream into a population is in units of its theta, so a threshold of 1 is right by construction."""
    model, shape = build(name)
    x = torch.randn(6, *shape, dtype=torch.float64)
    code = CSS(steps=6, silent=1)
    snn = convert(model, [x], code=code)
    for trace in snn.trace(x).values():
        largest = 0.5 * 2**code.silent + trace.membranes.abs().max()
        assert trace.currents.abs().max() > 0
        assert largest < 1e3


def test_a_straight_network_needs_no_scales_at_all(model, x):
    snn = convert(model, [x])
    assert [node.name for node in snn.graph.nodes] == ["input", "0", "2", "3", "4", "5"]


def test_dead_channels_are_handled_and_said(model, x):
    with torch.no_grad():
        model[3].weight[1] = 0
        model[3].bias[1] = -1
    snn = convert(model, [x])
    assert snn.record["dead_channels"] == {"4": 1}
    theta = snn.graph["4"].tensors["theta"].flatten()
    assert theta[1] == theta[[0, 2, 3]].max()
    assert bool(torch.isfinite(snn(x)).all())


def test_a_layer_that_is_wholly_dead_stays_silent(model, x):
    with torch.no_grad():
        model[3].weight.zero_()
        model[3].bias.fill_(-1)
    snn = convert(model, [x])
    assert snn.record["dead_channels"] == {"4": 4}
    assert torch.allclose(snn(x), model(x), atol=1e-6)


def test_overrides_by_name_and_by_expression(model, x):
    settings = Settings(overrides={"4": Override(silent=3, phi=0.6), "[0-9]": Override(threshold="max")})
    snn = convert(model, [x], settings=settings)
    first, second = (node.neurons.code for node in snn.graph.populations)
    assert (first.silent, first.phi, second.silent, second.phi) == (1, 0.5, 3, 0.6)
    assert snn.total_steps == 8 + 1 + 3


def test_exact_names_go_before_expressions_and_earlier_before_later():
    overrides = {"a.*": Override(silent=1), "ab": Override(silent=2), ".*": Override(silent=3)}
    rules = resolve(Settings(overrides=overrides), ["ab", "ac", "b"])
    assert [rules[name].silent for name in ("ab", "ac", "b")] == [2, 1, 3]


def test_settings_go_to_json_and_back():
    settings = Settings("percentile", 99.0, "css", "spread", False, {"a": Override(silent=2)})
    assert Settings.from_json(settings.to_json()) == settings
    with pytest.raises(ConversionError, match="Settings has no 'treshold': did you mean threshold?"):
        Settings.from_json({"treshold": "max"})
    with pytest.raises(ConversionError, match="Override has no 'kode': did you mean code?"):
        Settings.from_json({"overrides": {"1": {"kode": "css"}}})


def test_a_coded_input_costs_no_step_and_adds_no_depth(model, x):
    direct = convert(model, [x])
    coded = convert(model, [x], settings=Settings(input="css"))
    assert (coded.depth, coded.total_steps) == (direct.depth, direct.total_steps) == (2, 10)
    spikes = coded.trace(x)["input.spikes"]
    assert (spikes.decoded - x).abs().max() < 0.05 * x.abs().max()


def test_a_clipped_population_never_exceeds_its_ceiling():
    model = nn.Sequential(nn.Linear(5, 6), nn.Hardtanh(0, 0.3), nn.Linear(6, 3)).eval()
    x = 10 * torch.randn(50, 5)
    snn = convert(model, [x], code=CSS(steps=6, silent=2))
    decoded = snn.trace(x)["1"].decoded
    assert decoded.max() <= 0.3 * (1 + 1e-6)
    assert decoded.max() == pytest.approx(0.3)


def test_explain_counts_what_convert_makes(model, x):
    explanation, snn = (
        explain(model, x, code=CSS(steps=6, silent=2)),
        convert(model, [x], code=CSS(steps=6, silent=2)),
    )
    assert explanation.convertible
    assert explanation.populations == len(snn.graph.populations) == 2
    assert explanation.neurons == snn.neurons == (6 + 4) * 64
    assert explanation.depth == snn.depth == 2
    assert explanation.total_steps == snn.total_steps == 10


def test_explain_shows_the_code_of_the_input_and_where_unlike_codes_meet():
    """Single spikes at the input, as in arXiv 2107.12374, and a branch in another code: as convert makes them."""

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c, self.r, self.s = (
                nn.Linear(3, 4),
                nn.Linear(4, 4),
                nn.Linear(4, 2),
                nn.ReLU(),
                nn.ReLU(),
            )

        def forward(self, x):
            x = self.r(self.a(x))
            return self.c(torch.cat([x, self.s(self.b(x))], 1)[:, 2:6])

    torch.manual_seed(0)
    model, x = Residual().eval(), torch.rand(20, 3)
    settings = Settings(input="latency:16", overrides={"s": Override(code="rate:8")})
    explanation, snn = explain(model, x, settings=settings), convert(model, [x], settings=settings, progress=False)
    added = {verdict.name: verdict.remark for verdict in explanation.verdicts if verdict.name not in ("r", "s")}
    assert added["x.spikes"] == "codes the input in latency:16, at most one spike for each number"
    assert explanation.total_steps == snn.total_steps > explain(model, x).total_steps + 16
    assert explanation.populations == len(snn.graph.populations) == 4
    assert explanation.neurons == snn.neurons
    assert [remark for remark in added.values() if remark.startswith("codes")][1:] == ["codes s in css:8"]


def test_explain_finds_all_problems_at_once_and_names_the_line():
    explanation = explain(_ThreeProblems(), torch.randn(3, 4))
    assert [v.origin.operator for v in explanation.refused] == [
        "aten.sign.default",
        "aten.round.default",
        "aten.argmax.default",
    ]
    assert all("test_conversion.py" in v.origin.source for v in explanation.refused)
    assert explanation.refused[0].origin.source.endswith("y = torch.sign(self.a(x))")
    assert "3 refused" in explanation.summary
    assert "sign" in str(explanation)


class _ThreeProblems(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 5)

    def forward(self, x):
        y = torch.sign(self.a(x))
        y = torch.round(y)
        return y.argmax(1)


def test_depth_is_that_of_the_longest_path():
    model, shape = build("long and short branch")
    explanation = explain(model, torch.randn(2, *shape, dtype=torch.float64))
    assert (explanation.populations, explanation.depth, explanation.total_steps) == (4, 3, 11)


def test_the_record_says_how_the_network_was_made(model, x):
    record = convert(model, [x, x], settings=Settings(threshold="max")).record
    assert record["calibration"]["samples"] == 32
    assert record["settings"]["threshold"] == "max"
    assert record["versions"]["torch"] == torch.__version__


def test_the_samples_that_are_kept_are_evenly_spaced(model, monkeypatch):
    from canonic.conversion import calibrate as calibration
    from canonic.conversion.explain import analyse

    monkeypatch.setattr(calibration, "capacity", lambda *_: 10)
    data = torch.arange(37.0)[:, None, None, None].expand(-1, 3, 8, 8)
    graph, _ = analyse(model, data[:2], CSS())
    kept = calibration.calibrate(graph, data.split(5), first=5).kept[0][:, 0, 0, 0]
    assert kept.tolist() == list(range(0, 37, 4))


def test_correction_removes_the_mean_error_of_every_channel(model, x):
    """On the data it was corrected with."""
    code = CSS(steps=3, silent=1)
    plain = convert(model, [x], code=code, settings=Settings(correct=False))
    corrected = convert(model, [x], code=code)
    for name in ("2", "4"):
        errors = []
        for snn in (plain, corrected):
            theta, trace = snn.graph[name].tensors["theta"], snn.trace(x)[name]
            start = snn.graph[name].tensors.get("start", torch.zeros(()))
            z = (code.prefixes(trace.currents[:3])[-1] + code.beta * start) * theta
            wanted = snn_input(model, x, name)
            errors.append((z - wanted).mean((0, 2, 3)).abs().max())
        assert errors[1] < 1e-5 * (1 + wanted.abs().max())
        assert errors[1] <= errors[0]


def snn_input(model, x, name):
    with torch.no_grad():
        return model[: int(name)](x)


def test_correction_leaves_the_source_as_it_is(model, x):
    assert torch.allclose(convert(model, [x]).source(x), model(x), atol=1e-5)
