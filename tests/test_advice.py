"""Advice is tested by following it: each sentence is provoked, applied to the conversion, and must gain what it said."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn

from canonic import CSS, FewSpike, Override, Phase, Rate, Settings, convert
from canonic.conversion.calibrate import calibrate
from canonic.conversion.convert import examine, spiking
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import resolve
from canonic.network.advice import Tried, best, instead
from canonic.network.changed import with_code, with_range


def network(*, cancels=False):
    torch.manual_seed(0)
    layers = [nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(16, 4)).eval()
    with torch.no_grad():
        for layer in model[:5:2]:
            layer.weight.mul_(2)
        if cancels:  # the terms of the answer are large, their sum is small
            model[4].bias.fill_(20.0)
            model[6].weight.sub_(model[6].weight.mean(1, keepdim=True))
            model[6].bias.zero_()
    return model


def deep():
    """Return a network whose sums are small against their terms in three layers of eight: these have to wait longer."""
    torch.manual_seed(0)
    layers = [layer for _ in range(8) for layer in (nn.Linear(8, 8), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(8, 4)).eval()
    with torch.no_grad():
        for layer in (model[2], model[8], model[12]):
            layer.weight.normal_().sub_(layer.weight.mean(1, keepdim=True))
    return model


MODELS = {"plain": network, "cancels": lambda: network(cancels=True), "deep": deep}


def samples(count, seed):
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


X, Y = samples(512, 1), samples(128, 2)


PLAIN = Settings()


@cache
def seen(model, scales):
    """Return the graph of a network, and what calibration on data of these scales sees of it."""
    given = examine(MODELS[model](), [scale * X for scale in scales], "direct", CSS())
    return given.graph, calibrate(given.graph, given.data, first=given.first)


def converted(code, settings=PLAIN, *, scales=(1.0,), model="plain"):
    graph, calibration = seen(model, scales)
    rules = resolve(settings, [node.name for node in graph.populations])
    return spiking(set_codes(graph, code, rules), calibration, code, settings)


def followed(code, settings, trial, *, scales=(1.0,), model="plain"):
    """Return the network that is converted as a trial says."""
    if trial.what == "calibration":
        scales = (*scales, 1.0)
    elif trial.layer is None and trial.value != "auto":
        code = replace(code, **{trial.what: trial.value})
    elif trial.value == "auto":
        settings = replace(settings, **{trial.what: "auto"})
    else:
        changed = replace(settings.overrides.get(trial.layer, Override()), **{trial.what: trial.value})
        settings = replace(settings, overrides={**settings.overrides, trial.layer: changed})
    return converted(code, settings, scales=scales, model=model)


EARLY = Settings(overrides={"1": Override(silent=0)})
WITHOUT = Settings(overrides={"3": Override(silent=0)})
CLIPS = Settings(overrides={"3": Override(threshold="percentile", percentile=50.0)})
CASES = {
    "digits": (CSS(6, 3), PLAIN, 1.0, "plain", "T = 7 would gain", "no layer stands out: the layers lie between"),
    "silent steps": (CSS(12, 0), PLAIN, 1.0, "plain", "k = 2 would gain", "its neurons are overloaded at"),
    "of one layer": (CSS(12, 2), WITHOUT, 1.0, "plain", "k = 2 for 3 would gain", "3 is the first layer that drops"),
    "a rule": (CSS(8, 2), CLIPS, 1.0, "plain", "the threshold rule mse for 3 would", "its thresholds clip what"),
    "data": (CSS(8, 2), PLAIN, 0.2, "plain", "calibration on data like these (", "its thresholds clip what"),
    "cancels": (CSS(8, 3), PLAIN, 1.0, "cancels", "T = 9 would gain", "dB below 5, which feeds it: 6"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_advised_gains_what_is_said(name):
    code, settings, scale, model, remedy, finding = CASES[name]
    found = converted(code, settings, scales=(scale,), model=model).verify([Y])
    assert remedy in found.remedy
    assert finding in found.finding
    assert found.advice == f"{found.finding}; {found.remedy}"
    assert found.advised.setting in found.advice
    better = followed(code, settings, found.advised, scales=(scale,), model=model)
    gained = better.verify([Y]).snr - found.snr
    assert gained > 3
    assert 0.75 * found.advised.gain < gained < 1.25 * found.advised.gain


def test_more_levels_and_as_few_steps_as_each_layer_needs_gain_what_is_said():
    """Levels stand beside the advice, where they gain as much in fewer steps."""
    found = converted(CSS(12, 0)).verify([Y])
    graded = instead(found.trials)
    assert (graded.what, graded.steps, graded.bits > 1) == ("levels", 0, True)
    assert f"; where steps matter, {graded} gains {graded.gain:.1f} dB in 6 steps less, with events of " in found.remedy
    assert found.remedy.endswith(f"bits more: {graded.setting}")
    autos = [trial for trial in found.trials if trial.value == "auto"]
    assert [trial.setting for trial in autos] == [f"settings=Settings({x}='auto')" for x in ("silent", "levels")]
    for trial in (graded, *autos):
        better = followed(CSS(12, 0), PLAIN, trial)
        assert better.verify([Y]).snr - found.snr == pytest.approx(trial.gain, abs=2)


def ratio(snn):
    """Return the signal-to-noise ratio of the output in dB."""
    wanted, error = snn.source(Y).double(), (snn(Y) - snn.source(Y)).double()
    return float(10 * torch.log10(wanted.square().sum() / error.square().sum()))


BALANCED = Settings(overrides={"3": Override(threshold="balance")})
FOLLOWED = {
    "one layer": (CSS(12, 2), WITHOUT, "plain", "k = 2 for 3"),
    "as needed": (CSS(12, 1), PLAIN, "deep", "k = auto"),
    "a rule": (CSS(12, 2), BALANCED, "plain", "the threshold rule mse for 3"),
    "another code": (FewSpike(4), PLAIN, "plain", "T = 5"),
    "a rate": (Rate(8), PLAIN, "plain", "T = 16"),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_whatever_is_said_to_help_does(name):
    """Not only what is advised: all that was tried is in the verdict, and of each kind one is followed."""
    code, settings, model, advised = FOLLOWED[name]
    found = converted(code, settings, model=model).verify([Y])
    assert str(found.advised) == advised
    others = {(trial.what, trial.layer, trial.value == "auto"): trial for trial in found.trials if trial.gain >= 1}
    for trial in others.values() if model == "plain" else [found.advised]:
        gained = ratio(followed(code, settings, trial, model=model)) - found.snr
        assert gained > max(0.7 * trial.gain, trial.gain - 3), trial


def test_overload_is_named_beside_an_advice_of_more_digits():
    """A tenth of the firing steps, and no layer stands out: both are said, and following helps."""
    found = converted(CSS(4, 0)).verify([Y])
    share = 100 * found.layers[-1].overload
    assert share > 9
    assert found.finding.startswith("no layer stands out: the layers lie between 14")
    assert f"dB; 5 loses most to overload, at {share:.2g} % of its firing steps; T = 5 would gain" in found.advice
    assert followed(CSS(4, 0), PLAIN, found.advised).verify([Y]).snr > found.snr + 2


def test_larger_events_are_advised_alone_only_where_nothing_else_helps():
    ternary, graded = Tried("silent", 1, None, 5.0, 4), Tried("levels", 4, None, 9.0, 0, bits=1.6)
    assert best([graded, ternary]) == ternary
    assert instead([graded, ternary]) == graded
    assert best([graded, replace(ternary, gain=0.5)]) == graded
    assert instead([graded, replace(ternary, gain=0.5)]) is None
    assert instead([graded, replace(ternary, gain=11.0)]) is None


def test_a_precision_that_costs_more_than_the_code_is_named():
    """One more digit, and more silent steps, would gain nothing there."""
    snn = converted(CSS(12, 3))
    found = snn.to_precision("int8").verify([Y])
    assert "the precision fp32 would gain" in found.remedy
    assert "to_precision('fp32')" in found.advice
    assert snn.verify([Y]).snr - found.snr == pytest.approx(found.advised.gain, abs=1)
    assert all(trial.gain < 1 for trial in found.trials if trial.what != "precision")


@pytest.mark.parametrize("code", [CSS(24, 24), Phase(4)])
def test_where_nothing_helps_nothing_is_promised(code):
    """A code without steps as a parameter has none to be tried."""
    found = converted(code).verify([Y])
    assert "is left to try; another code may help: canonic.compare" in found.remedy
    assert found.advised is None
    assert found.to_json()["advised"] is None


def test_overload_that_helps_to_remove_is_named_where_no_layer_drops():
    y = samples(128, 5)
    found = converted(CSS(8, 1), EARLY).verify([y])
    assert found.first_drop is None
    assert found.finding.startswith("no layer stands out")
    assert "; 5 loses most to overload, at " in found.finding
    better = followed(CSS(8, 1), EARLY, found.advised).verify([y])
    assert (found.advised.what, found.advised.layer) == ("silent", "5")
    assert better.snr > found.snr + 1
    assert better.layers[2].overload < found.layers[2].overload / 2


def test_of_equal_gains_the_one_with_the_fewest_steps_is_advised():
    one, two = Tried("silent", 2, None, 9.9, 8), Tried("silent", 2, "3", 9.1, 1)
    small = Tried("steps", 9, None, 0.4, 1)
    assert best([small, one, two]) == two
    assert best([small]) is None
    assert best([]) is None


def test_thresholds_between_two_scales_mean_the_same():
    """The source network stays what it is; a code of twice the range, doubled in steps, gives half the digits."""
    snn = converted(CSS(12, 3))
    wide = with_range(with_range(snn.plan, "3", torch.full((16,), 2.0)), "1", torch.full((16,), 4.0))
    other = replace(snn, plan=wide)
    assert torch.allclose(other.source(Y), snn.source(Y), atol=1e-5)
    assert torch.equal(wide.graph["3"].tensors["theta"], 2 * snn.graph["3"].tensors["theta"])
    assert torch.allclose(other(Y), snn(Y), atol=0.05)


def test_a_change_of_the_code_leaves_that_of_the_inputs_without_silent_steps():
    snn = convert(network(), [X], code=CSS(8, 2), settings=Settings(input="css"))
    changed = with_code(snn.plan, lambda code: replace(code, steps=9, silent=3))
    found = [node.neurons.code for node in changed.graph.populations]
    assert found == [CSS(9, 0), *[CSS(9, 3)] * 3]
    one = with_code(snn.plan, lambda code: replace(code, silent=4), "3")
    assert [node.neurons.silent for node in one.graph.populations] == [0, 2, 4, 2]


def test_a_conversion_says_that_overload_decides_its_error(capsys):
    sick = convert(network(), [X], code=CSS(12, 1))
    (note,) = sick.record["notes"]
    assert note.startswith("on 128 calibration samples the output is at 3")
    assert "firing steps, 0 % with k = T, which makes 100" in note
    assert note.endswith("; snn.verify(data) tries what would help")
    helps = sick.verify([X]).advised  # as the note says
    assert helps.what == "silent"
    assert helps.gain > 6
    assert note in str(sick)
    assert capsys.readouterr().err == f"{note}\n"
    healthy = convert(network(), [X], code=CSS(12, 2))
    figures, better = sick.record["health"], healthy.record["health"]
    assert figures["overload"] > 1e-2 > 3e-3 > better["overload"] >= better["overload_at_t"] >= 0
    assert better["outputs"]["output"] > figures["outputs"]["output"] + 10
    assert healthy.record["notes"] == []
    assert capsys.readouterr().err == ""


def test_a_conversion_of_less_than_20_db_says_so(capsys):
    snn = convert(network(), [X], code=CSS(3, 2))
    (note,) = snn.record["notes"]
    assert "less than 20: no layer stands out" in note
    assert "T = 4 would gain" in snn.verify([X]).advice  # as the note says
    assert capsys.readouterr().err == f"{note}\n"
    assert converted(CSS(4, 2)).verify([X]).snr > converted(CSS(3, 2)).verify([X]).snr + 3


class Heads(nn.Module):
    """Outputs of which one tells classes."""

    def __init__(self):
        super().__init__()
        self.body, self.classes, self.value = network()[:4], nn.Linear(16, 5), nn.Linear(16, 1)

    def forward(self, x):
        y = self.body(x)
        return {"logits": self.classes(y), "value": self.value(y), "map": y.view(-1, 4, 4)}


def test_agreement_is_told_of_outputs_that_tell_classes():
    torch.manual_seed(3)
    snn = convert(Heads().eval(), [X], code=CSS(3, 1))
    found = snn.verify([Y[:50], Y[50:]])
    same = snn(Y)["logits"].argmax(1) == snn.source(Y)["logits"].argmax(1)
    assert 0.5 < float(same.double().mean()) < 1
    assert found.agreement == {"logits": pytest.approx(float(same.double().mean()))}
    assert f"the class of the source in {100 * found.agreement['logits']:.2f} %" in str(found)
    assert found.to_json()["agreement"] == dict(found.agreement)


@pytest.mark.parametrize("what", ["steps", "silent"])
@pytest.mark.parametrize("code", [CSS(), CSS(12, 3), CSS(7, 0, 4.0, 0.5, 16), CSS(6, 1, phi=0.55)])
def test_what_is_to_be_written_is_the_whole_code(code, what):
    """``CSS(silent=2)`` for a network of T = 12 would take four digits away."""
    written = Tried(what, 5, None, 6.0, 1, code).setting
    assert eval(written, {"CSS": CSS}) == replace(code, **{what: 5})


def test_usual_values_are_not_written():
    assert Tried("steps", 9, None, 6.0, 1, CSS(8, 3)).setting == "CSS(steps=9, silent=3)"
