"""Few-spike neurons that are fitted to a function: the table, the fit, and networks without analog units."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from canonic import CanonicError, ConversionError, FittedFewSpike, Override, Settings, convert, explain, load
from canonic.codes import FUNCTIONS, code_of, from_json, text_of
from canonic.codes.fitted import fit
from canonic.measure.baselines import others_of

numbers = st.lists(st.floats(-10, 10), min_size=1, max_size=12)
columns = st.lists(st.integers(-64, 64).map(lambda n: n / 8), min_size=5, max_size=5)
SILU, SIGMOID = FittedFewSpike(6, "silu", 4.0), FittedFewSpike(6, "sigmoid", 4.0)


def by_table(table, x):
    """What the published equations make of numbers, one by one."""
    found = []
    for v in x:
        out = 0.0
        for bar, reset, worth in zip(*table, strict=True):
            if v >= bar:
                v, out = v - reset, out + worth
        found.append(out)
    return np.array(found)


@given(st.tuples(columns, columns, columns.filter(all)), numbers)
def test_a_neuron_does_what_its_table_says(table, x):
    code = FittedFewSpike(5, table=table)
    spikes = code.encode(torch.tensor(x, dtype=torch.float64))
    assert code.decode(spikes).numpy() == pytest.approx(by_table(table, x), abs=1e-9)
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_fit_is_near_its_function_the_same_each_time_and_better_with_more_spikes(function):
    x = torch.linspace(-4, 4, 333, dtype=torch.float64)
    wanted, errors = FUNCTIONS[function](x), []
    for steps in (3, 6, 12):
        errors.append(float((FittedFewSpike(steps, function, 4.0).quantise(x) - wanted).square().mean().sqrt()))
    assert errors[0] > 1.5 * errors[1] > 2 * errors[2]
    assert errors[2] < 0.02 * float(wanted.max())
    assert fit.__wrapped__(function, 6, 4.0) == fit(function, 6, 4.0)


def test_the_code_by_text_and_as_plain_data_with_what_was_fitted():
    assert text_of(SIGMOID) == "fitted-few-spike:6,function=sigmoid,reach=4"
    assert code_of(text_of(SIGMOID)) == SIGMOID
    again = from_json({**SIGMOID.to_json(), "table": [list(column) for column in SIGMOID.fitted]})
    assert again.fitted == SIGMOID.fitted == tuple(again.table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fitted-few-spike:8,function=sillu", "the code fitted-few-spike has no function 'sillu': did you mean silu"),
        ("fitted-few-spike:1", "steps of the code fitted-few-spike must be a whole number from 2 to 24, got 1"),
        ("fitted-few-spike:8,reach=0", "reach of the code fitted-few-spike must be a positive number, got 0.0"),
    ],
)
def test_what_is_no_such_code_is_refused(text, message):
    with pytest.raises(CanonicError, match=message):
        code_of(text)


def test_a_table_of_another_length_is_refused():
    with pytest.raises(CanonicError, match="must be three rows of 6 numbers, the last without a 0"):
        FittedFewSpike(6, table=((1.0,), (1.0,), (1.0,)))


class Two(nn.Module):
    """Both functions, one of them moved before weights read it."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 8), nn.Linear(8, 3)
        self.f, self.g = nn.SiLU(), nn.Sigmoid()

    def forward(self, x):
        return self.c(self.g(self.b(self.f(self.a(3 * x))).view(-1, 2, 4)).flatten(1))


@pytest.fixture(scope="module")
def two():
    torch.manual_seed(0)
    model, x = Two().eval(), torch.randn(40, 4)
    codes = {"f.spikes": Override(code=SILU), "flatten.spikes": Override(code=SIGMOID)}
    settings = Settings(overrides=codes, correct=False)
    return model, x, convert(model, [x], code="css:8", settings=settings, progress=False)


@torch.no_grad()
def test_a_network_computes_its_functions_in_spikes_alone(two):
    model, x, snn = two
    assert not [node.name for node in snn.graph.nodes if node.kind == "function unit"]

    def layer(name, values):
        linear = getattr(model, name)
        return values @ linear.weight.double().numpy().T + linear.bias.double().numpy()

    def spiking(code, values):
        return by_table(code.fitted, values.flatten()).reshape(values.shape)

    wanted = layer("c", spiking(SIGMOID, layer("b", spiking(SILU, layer("a", 3 * x.double().numpy())))))
    assert np.median(np.abs(snn(x).numpy() - wanted)) < 1e-5  # a rounded sum may lie on the other side of a bar
    assert torch.allclose(snn(x), snn(x, scheduler="clocked"), atol=1e-5)
    assert snn.total_steps == 3 * 6
    assert torch.allclose(snn.source(x), model(x), atol=1e-5)


def test_files_keep_what_was_fitted_and_baselines_compute_the_functions_again(two, tmp_path):
    model, x, snn = two
    snn.save(tmp_path / "net.snn")
    again = load(tmp_path / "net.snn")
    assert torch.equal(again(x), snn(x))
    assert again.graph["f.spikes"].neurons.code.table == SILU.fitted
    with torch.no_grad():
        found, wanted = others_of(snn).rate(x), model(x)
        assert (found - wanted).norm() < 0.2 * (wanted - wanted.mean(0)).norm()


def test_a_unit_that_others_read_stays():
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            x = nn.functional.silu(self.a(x))
            return self.c(x + nn.functional.silu(self.b(x)))

    torch.manual_seed(0)
    model, x = Around().eval(), torch.randn(40, 4)
    settings = Settings(overrides={"silu.spikes": Override(code=SILU)})
    snn = convert(model, [x], code="css:8", settings=settings, progress=False)
    assert snn.graph["silu.spikes"].inputs == ("a",)
    assert snn.graph["silu"].kind == "function unit"
    with torch.no_grad():
        assert torch.allclose(snn(x), snn(x, scheduler="clocked"), atol=1e-5)


def test_other_layers_cannot_have_the_code_and_the_advice_helps():
    torch.manual_seed(0)
    model, x = (
        nn.Sequential(nn.Linear(4, 6), nn.SiLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3)),
        torch.randn(40, 4),
    )
    found = explain(model, x, code=SILU)
    assert not found.convertible
    assert "1 population not in this code: 3 is not behind the function silu" in found.summary
    with pytest.raises(ConversionError, match=r"3 is not behind the function silu.*take css.*Override\(code='css'\)"):
        convert(model, [x], code=SILU, progress=False)
    settings = Settings(overrides={"3": Override(code="css")})
    assert convert(model, [x], code=SILU, settings=settings, progress=False)(x).shape == (40, 3)
    with pytest.raises(
        ConversionError,
        match="an input cannot be in the code fitted-few-spike, whose neurons compute the function silu",
    ):
        convert(model, [x], code="css:8", settings=Settings(input=SILU), progress=False)
