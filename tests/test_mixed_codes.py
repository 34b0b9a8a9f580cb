"""Networks in every code, and in several: both schedulers agree, and the answer is what the codes make of the numbers."""

import json
from dataclasses import replace
from functools import cache

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from canonic import CanonicError, ConversionError, Override, Settings, convert, evaluate, explain, load
from canonic.codes import CODES, CSS, code_of, codes_in, named, text_of
from canonic.conversion.calibrate import calibrate
from canonic.conversion.convert import examine, spiking
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import resolve
from canonic.network.plan import total_steps
from canonic.network.reference import activate, reference
from tests.mixed import TEXTS, Mixed

LAYER_BY_LAYER = ("count:8", "latency:8", "exponential-latency:8", "binary:6", "binary:5,rounds=down", "few-spike:6")


@pytest.fixture(scope="module")
def mixed():
    """What converts the network with any codes, captured once, and some pictures."""
    torch.manual_seed(0)
    model, x = Mixed().eval(), torch.rand(16, 1, 4, 4)
    examined = examine(model, [x], "direct", CSS())

    @cache
    def with_codes(code, settings=Settings()):  # noqa: B008
        rules = resolve(settings, [node.name for node in examined.graph.populations])
        graph = set_codes(examined.graph, code_of(code), rules)
        seen = calibrate(graph, [x], first=16)
        return spiking(graph, seen, code_of(code), settings)

    return model, x, with_codes


def decibels(found, wanted):
    return float(10 * torch.log10(wanted.square().sum() / (found - wanted).square().sum()))


def require_schedulers_agree(snn, x):
    with torch.no_grad():
        layerwise, clocked = snn.readout(x), snn.readout(x, scheduler="clocked")
        size = float(layerwise.abs().max())
        assert torch.allclose(layerwise, clocked, rtol=0, atol=1e-5 * size)
        assert torch.allclose(snn(x), clocked[-1], rtol=0, atol=1e-5 * size)
        assert len(clocked) == snn.total_steps


@pytest.mark.parametrize("code", TEXTS)
def test_every_code_runs_in_both_schedulers(mixed, code):
    model, x, with_codes = mixed
    snn = with_codes(code)
    require_schedulers_agree(snn, x)
    with torch.no_grad():
        assert decibels(snn(x), model(x)) > 12
    steps = code_of(code).steps
    assert snn.total_steps == steps + 3 * code_of(code).silent


@pytest.mark.parametrize("first", TEXTS)
def test_codes_meet_at_boundaries_sums_and_concatenations(mixed, first):
    """Each code with two others; the answer is about as good as in the worse of the two."""
    model, x, with_codes = mixed
    place = TEXTS.index(first)
    for layer, away in (("a", 3), ("b", 8)):
        second = TEXTS[(place + away) % len(TEXTS)]
        snn = with_codes(first, Settings(overrides={layer: Override(code=second)}))
        require_schedulers_agree(snn, x)
        with torch.no_grad():
            alone = min(decibels(with_codes(code)(x), model(x)) for code in (first, second))
            assert decibels(snn(x), model(x)) > alone - 8, (second, layer)


@pytest.mark.parametrize("code", LAYER_BY_LAYER)
def test_layer_by_layer_codes_are_the_network_with_quantised_activations(mixed, code):
    _, x, with_codes = mixed
    snn, own = with_codes(code, Settings(correct=False)), code_of(code)
    exact = snn.graph.map_tensors(torch.Tensor.double)
    wanted = reference(exact, [x.double()], population=lambda node, value: own.quantise(activate(node, value)))[0]
    double = replace(snn, plan=replace(snn.plan, graph=exact))
    assert torch.allclose(double(x), wanted, rtol=0, atol=1e-9)


def test_a_rate_network_counts_as_integrate_and_fire_neurons_do():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), torch.randn(16, 4)
    snn = convert(model, [x], code="rate:16", settings=Settings(correct=False), progress=False)
    theta = snn.graph["1"].tensors["theta"]
    with torch.no_grad():
        current, v, counts = model[0](x) / theta, torch.full((16, 6), 0.5), torch.zeros(16, 6)
        for _ in range(16):
            v = v + current
            fired = (v >= 1).float()
            v, counts = v - fired, counts + fired
        assert torch.allclose(snn(x), model[2](counts / 16 * theta), atol=1e-5)


def test_another_code_starts_behind_the_last_digit_of_its_sender(mixed):
    _, x, with_codes = mixed
    snn = with_codes("css:6", Settings(overrides={"b": Override(code="rate:10")}))
    steps = snn.graph.first_steps
    assert steps["a"] == 1
    assert steps["b"] == 1 + 6
    assert snn.total_steps == total_steps(snn.plan) == len(snn.readout(x, scheduler="clocked"))


def test_a_network_in_several_codes_is_measured_traced_saved_and_read(mixed, tmp_path):
    model, x, with_codes = mixed
    snn = with_codes("css:6", Settings(overrides={"b": Override(code="burst:4"), "c": Override(code="latency:8")}))
    snn.save(tmp_path / "mixed.safetensors")
    again = load(tmp_path / "mixed.safetensors")
    assert torch.equal(again(x), snn(x))
    assert again.plan.code == snn.plan.code
    assert Settings.from_json(json.loads(json.dumps(snn.record["settings"]))) == Settings.from_json(
        snn.record["settings"]
    )
    found = evaluate(snn, [(x, model(x).argmax(1))], progress=False).to_json()
    assert set(found["network"]["codes"]) == {"css", "burst", "latency"}
    assert found["network"]["event_bits"] == 3
    for name, layer in snn.trace(x).items():
        node = snn.graph[name]
        assert len(layer.spikes) == node.neurons.code.steps + node.neurons.silent == len(layer.membranes)
        decoded = node.neurons.code.decode(layer.spikes[node.neurons.silent :], node.tensors["theta"])
        assert torch.allclose(decoded, layer.decoded)
    assert "burst" in str(snn)
    assert "latency" in str(snn)


def test_a_file_from_before_codes_had_names_is_read(mixed, tmp_path):
    _, x, with_codes = mixed
    snn, file = with_codes("css:6"), tmp_path / "new.safetensors"
    snn.save(file)
    with safe_open(file, "pt") as opened:
        header = dict(opened.metadata())
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    described = json.loads(header["network"])
    for part in (described, *(node["neurons"] for node in described["nodes"] if node["neurons"])):
        assert part["code"].pop("name") == "css"
        part.pop("waits", None)
    header |= {"format": "canonic network 1", "network": json.dumps(described)}
    save_file(tensors, tmp_path / "old.safetensors", header)
    assert torch.equal(load(tmp_path / "old.safetensors")(x), snn(x))


def test_a_file_of_an_unknown_code_is_refused_by_its_name(mixed, tmp_path):
    _, _, with_codes = mixed
    file = tmp_path / "net.safetensors"
    with_codes("rate:8").save(file)
    with safe_open(file, "pt") as opened:
        header = dict(opened.metadata())
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    save_file(tensors, file, header | {"network": header["network"].replace('"rate"', '"morse"')})
    with pytest.raises(CanonicError, match="there is no code 'morse'"):
        load(file)


@pytest.mark.parametrize("name", CODES)
def test_the_text_of_a_code_is_read_back(name):
    assert code_of(text_of(named(name))) == named(name)
    assert code_of(code_of(name)) == named(name)


def test_codes_in_a_list_are_told_from_their_parameters():
    assert codes_in(" ".join(TEXTS)) == codes_in(", ".join(TEXTS)) == codes_in(",".join((*TEXTS, ""))) == TEXTS
    assert codes_in("css,burst,latency") == ("css", "burst", "latency")
    assert codes_in(" ,") == ()
    with pytest.raises(CanonicError, match="there is no code 'brust': did you mean burst"):
        codes_in("css,brust:8")


BAD = {
    "rat:8": "there is no code 'rat': did you mean rate",
    "rate:0": "steps of the code rate",
    "rate:8,9": "the code rate takes steps, got 2",
    "burst:8,mots=3": "the code burst has no 'mots': did you mean most",
    "css:8,phi=0.1": "phi must lie in",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_code_is_refused_with_the_reason(text):
    with pytest.raises(CanonicError, match=BAD[text]):
        code_of(text)


def signed():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 3))


def test_codes_without_a_negative_event_are_refused_where_numbers_have_either_sign():
    x = torch.randn(32, 4)
    found = explain(signed(), x, code="rate:8")
    assert not found.convertible
    assert "no negative event" in found.summary
    with pytest.raises(ConversionError, match=r"Override\(code='css'\)") as refused:
        convert(signed(), [x], code="rate:8", progress=False)
    layer = str(refused.value).split(" ")[0]
    advised = Settings(overrides={layer: Override(code="css")})  # the advice helps
    assert convert(signed(), [x], code="rate:8", settings=advised, progress=False)(x).shape == (32, 3)


@pytest.mark.parametrize("code", ["signed-rate:64", "multi-threshold:8", "differential:8", "css:8"])
def test_signed_codes_carry_numbers_of_either_sign(code):
    x = torch.randn(32, 4)
    snn = convert(signed(), [x], code=code, progress=False)
    require_schedulers_agree(snn, x)
    with torch.no_grad():
        assert decibels(snn(x), signed()(x)) > 25


def test_settings_of_css_are_refused_with_other_codes(mixed):
    _, _, with_codes = mixed
    for name, value in (("silent", 1), ("levels", 2), ("phi", 0.5)):
        with pytest.raises(ConversionError, match=f"{name} is a setting of css, and a is in the code rate"):
            with_codes("rate:8", Settings(overrides={"a": Override(**{name: value})}))


class Two(nn.Module):
    """A sum of two currents, each from a population of its own."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.three, self.four = (nn.Linear(4, 4) for _ in range(4))
        self.a, self.b = nn.ReLU(), nn.ReLU()

    def forward(self, x):
        return self.three(self.a(self.one(x))) + self.four(self.b(self.two(x)))


def test_streams_that_no_common_code_can_carry_are_refused():
    x = torch.randn(32, 4)

    def both(a, b):
        overrides = {"a": Override(code=a), "b": Override(code=b)}
        return convert(Two(), [x], settings=Settings(overrides=overrides), progress=False)

    with pytest.raises(ConversionError, match="reads .* in the code .*, and none of these has a negative event"):
        both("rate:8", "binary:6")
    require_schedulers_agree(both("rate:8", "css"), x)  # what it advises


def test_int8_takes_one_code_whose_neurons_add_whole_numbers(mixed):
    _, x, with_codes = mixed
    two = with_codes("rate:8", Settings(overrides={"a": Override(code="css:8")}))
    with pytest.raises(
        ConversionError, match="int8 has one code for all, and a is, or reads, in the code css, not rate"
    ):
        two.to_precision("int8")
    with pytest.raises(
        ConversionError, match="no units make those of the code differential whole: convert with css, rate"
    ):
        with_codes("differential:8").to_precision("int8")
    for possible in (two.to_precision("bf16"), with_codes("rate:8").to_precision("int8")):
        require_schedulers_agree(possible, x)


def test_an_input_below_zero_wants_a_code_with_negative_events():
    model, x = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval(), torch.rand(64, 6)
    x[0, 0] = -0.5
    for batches in ([x], [x.flip(0)]):  # in the samples that the model is tried with, and in others
        with pytest.raises(
            ConversionError, match="input input has numbers below zero, down to -0.5, and the code rate no"
        ):
            convert(model, batches, code="css:8", settings=Settings(input="rate:8"), progress=False)
    convert(model, [x], code="css:8", settings=Settings(input="signed-rate:8"), progress=False)  # what it advises


def test_an_input_of_single_spikes_is_given_by_name(tmp_path):
    """Hybrid single-spike input, arXiv 2107.12374."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).eval(), torch.rand(64, 6)
    settings = Settings(input="latency:8")
    assert settings == Settings(input=named("latency", steps=8))
    snn = convert(model, [x], code="css:8", settings=settings, progress=False)
    require_schedulers_agree(snn, x)
    assert float(snn.trace(x)["input.spikes"].spikes.ne(0).sum(0).max()) == 1
    assert snn.total_steps == 8 + 8
    snn.save(tmp_path / "single.safetensors")
    again = load(tmp_path / "single.safetensors")
    assert torch.equal(again(x), snn(x))
    assert Settings.from_json(again.record["settings"]) == settings
    with pytest.raises(CanonicError, match="there is no code 'latncy': did you mean latency"):
        Settings(input="latncy:8")
