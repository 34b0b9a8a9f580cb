"""The search which layers get which code: what it measures, what it keeps, what it finds, and how it goes on."""

import json

import pytest
import torch
from torch import nn

from canonic import CSS, CanonicError, ConversionError, DataError, convert, evaluate, load
from canonic.codes import text_of
from canonic.conversion.convert import examine
from canonic.report import save_figure
from canonic.report.assignments import assignments_searched
from canonic.sweep import Outcome, Setting, run, search
from canonic.sweep.assignments import alone, space_of
from canonic.sweep.searched import fewest_events, price
from tests.commands import run as command

CODES = ("css:6", "latency:6")


class Joined(nn.Module):
    """Three layers, of which the first is added to the last."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.one, self.two, self.three, self.last = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.a, self.b, self.c = nn.ReLU(), nn.ReLU(), nn.ReLU()

    def forward(self, x):
        a = self.a(self.one(x))
        return self.last(self.c(self.three(self.b(self.two(a))) + a))


def signed(first=None):
    """Return a network whose first population sends positive numbers only, if it is a ReLU, and whose second does not."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), first or nn.ReLU(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 3))


def data(seed, count=40):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(count, 6, generator=generator), torch.randint(3, (count,), generator=generator))]


def searched(folder, codes=CODES, limit=30, model=None, **options):
    model = model or Joined().eval()
    return search(model, data(2), data(3), codes, folder, limit=limit, progress=False, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    return searched(folder), folder


def test_what_is_found_is_what_convert_and_evaluate_give_with_it(whole):
    """Also where populations stand between unlike codes, whose thresholds calibration has to see."""
    found, _ = whole
    mixed = [o for o in found.outcomes if o.setting.layers]
    assert {name for o in mixed for name, _ in o.setting.layers} == {"a", "b", "c"}
    for outcome in (found.best, mixed[0]):
        setting = outcome.setting
        snn = convert(Joined().eval(), data(2), code=setting.sent, settings=setting.settings, progress=False)
        wanted = evaluate(snn, data(3), progress=False).to_json()
        assert outcome.total_steps == snn.total_steps
        assert outcome.snr == wanted["error"]["snr_db"]
        layers = wanted["spikes"]["layers"].values()
        assert outcome.events == pytest.approx(sum(sum(map(sum, (x["positive"], x["negative"]))) for x in layers))


def test_the_best_is_that_of_the_fewest_events_among_all_that_are_as_good_and_in_time(whole):
    found, _ = whole
    uniform = [o for o in found.outcomes if not o.setting.layers]
    assert {o.setting.code for o in uniform} <= set(CODES)
    wanted = max(o.agreement for o in uniform) - 0.005
    assert {o.agreement >= wanted for o in uniform} == {True, False}  # few spikes, and wrong answers
    allowed = [o for o in found.outcomes if o.agreement >= wanted and o.total_steps <= 30]
    assert found.best.events == min(o.events for o in allowed)
    assert found.best.events < min(o.events for o in uniform if o.agreement >= wanted)
    assert all(o.total_steps <= 30 for o in found.outcomes)
    for one in found.front:
        assert not any(o.events <= one.events and o.total_steps < one.total_steps for o in allowed)
    assert set(found.assigned) == {"a", "b", "c"}
    rows = json.loads(json.dumps(found.to_json()))
    assert rows["best"]["layers"] == dict(found.assigned)
    assert [row["layers"] for row in rows["rows"]] == [dict(o.setting.layers) for o in found.outcomes]


def test_changes_are_made_in_the_order_of_what_they_cost(whole):
    found, _ = whole
    kinds = [len(o.setting.layers) for o in found.outcomes]
    alone, together = kinds.count(0), [o for o in found.outcomes if len(o.setting.layers) > 1]
    base = fewest_events(found.outcomes[:alone], found.wanted)
    singles = [o for o in found.outcomes if len(o.setting.layers) == 1 and o.setting.code == base.setting.code]
    first = min(singles, key=lambda o: price(base, o))
    assert price(base, first)[0] < float("inf")
    assert not together or set(first.setting.layers) <= set(together[0].setting.layers)


def outcome(likeness, events):
    found = {
        "network": {"neurons": 1, "total_steps": 5},
        "spikes": {"per_neuron": events},
        "output": "o",
        "outputs": {"o": {"agreement": likeness}},
    }
    return Outcome(Setting(), found, "", {})


def test_the_price_of_a_change_is_what_it_loses_for_an_event_saved():
    base = outcome(1.0, 100.0)
    assert price(base, outcome(0.9, 50.0)) == (pytest.approx(0.002), -50.0)
    assert price(base, outcome(1.0, 50.0)) < price(base, outcome(1.0, 60.0)) < price(base, outcome(0.99, 50.0))
    assert price(base, outcome(1.0, 100.0))[0] == float("inf")
    assert price(base, Outcome(Setting(), None, "no", {}))[0] == float("inf")


def kept(folder):
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("*-*.json")}


def test_a_search_that_was_stopped_goes_on_and_finds_the_same(whole, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        if len(kept(tmp_path)) == 4:
            raise KeyboardInterrupt
        return evaluate(*arguments, **options)

    monkeypatch.setattr(run, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"interrupted: . assignments done and kept in .*; the same command"):
        searched(tmp_path)
    before = kept(tmp_path)
    assert len(before) == 4
    monkeypatch.setattr(run, "evaluate", evaluate)
    assert searched(tmp_path).to_json() == whole[0].to_json()
    assert {name: kept(tmp_path)[name] for name in before} == before
    assert set(kept(tmp_path)) == set(kept(whole[1]))


def test_another_limit_takes_what_was_measured(whole, monkeypatch):
    found, folder = whole
    monkeypatch.setattr(run, "evaluate", None)  # nothing is measured again
    least = min(o.total_steps for o in found.outcomes)
    fewer = searched(folder, limit=least)
    assert fewer.best.total_steps == least
    assert {o.setting for o in fewer.outcomes} < {o.setting for o in found.outcomes}


@pytest.fixture(scope="module")
def graphs():
    return [examine(model, data(2), "direct", CSS()).graph for model in (signed(), signed(nn.GELU()))]


def test_a_layer_that_a_code_cannot_carry_is_in_another(graphs):
    space = space_of(graphs[0], ("rate:4", "css:4", "binary:4"))
    assert space.layers == {"1": ("rate:4", "css:4", "binary:4"), "3.spikes": ("css:4",)}
    assert space.assigned(space.uniform("rate:4")) == {"1": "rate:4", "3.spikes": "css:4"}
    assert space.changes(space.uniform("css:4")) == [("1", "rate:4"), ("1", "binary:4")]


def test_steps_are_known_before_a_conversion(whole):
    found, _ = whole
    space = space_of(examine(Joined().eval(), data(2), "direct", CSS()).graph, CODES)
    assert [space.steps(o.setting) for o in found.outcomes] == [o.total_steps for o in found.outcomes]


BAD = {
    ("css:6 brust:4", 30, 0): (CanonicError, "there is no code 'brust': did you mean burst"),
    ("css:6", 30, 0): (ConversionError, "a search assigns at least two codes to layers, got css:6: name more"),
    ("", 30, 0): (ConversionError, "got none: name more, such as css,burst"),
    ("css:6 css:4", 5, 0): (
        ConversionError,
        "limit is 5 steps, and the least that css:6, css:4 need .* 6, with css:4 in",
    ),
    ("css:6 css:4", 0, 0): (ConversionError, "limit must be a whole number from 1"),
    ("rate:8 burst:4", 30, 0): (
        ConversionError,
        "3.spikes sends numbers of either sign, and none of rate:8, burst:4 h",
    ),
    ("css:6 burst:4", 30, 1): (ConversionError, "the code burst:4 can carry no layer of this network: 2 populations"),
}


@pytest.mark.parametrize("given", BAD, ids=str)
def test_what_cannot_be_searched_is_refused_with_the_reason(given, graphs):
    codes, limit, model = given
    error, message = BAD[given]
    with pytest.raises(error, match=message):
        alone(space_of(graphs[model], codes.split()), limit)


def test_calibration_data_that_can_be_read_once_only_is_refused_where_it_is_needed_again(tmp_path):
    with pytest.raises(DataError, match="where unlike codes meet the calibration data is read once more: pass a Data"):
        search(Joined().eval(), iter(data(2)), data(3), CODES, tmp_path, limit=30, progress=False)


def test_it_is_drawn(whole, tmp_path):
    figure = assignments_searched(whole[0], "test")
    save_figure(figure, tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    named = {text.get_text() for text in figure.axes[0].texts}
    assert named == {o.setting.code for o in whole[0].outcomes if not o.setting.layers}


NET = """
import torch
from torch import nn
def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 10))
"""
DIGITS = ("--data", "digits:test", "--calibration", "digits:train", "--limit", "40")


def test_the_command_saves_the_network_that_it_finds(tmp_path):
    (tmp_path / "searched_net.py").write_text(NET)
    options = ("sweep", "searched_net:make", *DIGITS, "--out", "found", "--codes", "css,latency:8", "-T", "6")
    options += ("--classes", ",".join("abcdefghij"))
    done = command(tmp_path, *options, "--limit-steps", "20")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "found" / "search.json").read_text())
    network = load(tmp_path / "found" / "network.safetensors")
    codes = {node.name: text_of(node.neurons.code) for node in network.graph.populations}
    assert codes == told["best"]["layers"]
    assert network.total_steps == told["best"]["total_steps"] <= 20
    assert network.record["preprocessing"]["grey"] is False
    assert network.record["classes"] == list("abcdefghij")
    assert dict(line.split() for line in done.stdout.splitlines() if line.startswith(("2 ", "4 "))) == codes
    assert f"css:6; latency:8 for {next(name for name, code in codes.items() if code == 'latency:8')}" in done.stdout
    assert (tmp_path / "found" / "search.png").exists()
    again = command(tmp_path, *options, "--limit-steps", "20", "--json")
    assert json.loads(again.stdout) == told


WRONG = {
    ("--codes", "css,brust"): "did you mean burst",
    ("--codes", "css,burst", "-k", "auto"): "give -k and -L as numbers",
    ("--codes", "css,burst", "--threshold", "mse,max"): "one --threshold and one --precision",
    ("--codes", "css,burst", "--limit-steps", "0"): "--limit-steps",
}


@pytest.mark.parametrize("options", WRONG, ids=" ".join)
def test_options_that_do_not_go_with_a_search_are_wrong_usage(options, tmp_path):
    (tmp_path / "searched_net.py").write_text(NET)
    limit = () if "--limit-steps" in options else ("--limit-steps", "20")
    done = command(tmp_path, "sweep", "searched_net:make", *DIGITS, "--out", "found", *options, *limit, columns=200)
    assert done.returncode == 2
    assert WRONG[options] in done.stderr


def test_codes_levels_and_radices_are_points_of_a_grid(tmp_path):
    (tmp_path / "searched_net.py").write_text(NET)
    family = ("-T", "4", "-k", "0", "--beta", "2,4", "-L", "1,auto", "--codes", "css,rate:4")
    done = command(tmp_path, "sweep", "searched_net:make", *DIGITS, "--out", "found", *family)
    assert done.returncode == 0, done.stderr
    for text in (
        "css:4, silent=0 ",
        "css:4, silent=0, levels=auto ",
        "css:4, silent=0, beta=4, levels=auto ",
        "rate:4 ",
    ):
        assert text in done.stdout
    assert "beta must lie between 1 and 3 (exclusive), got 4.0" in done.stdout
    assert done.stdout.count("fp32") == 5 + 1  # and once in a refusal
