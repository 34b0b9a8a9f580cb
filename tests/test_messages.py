"""What people read when something is wrong: the cause, the place and the remedy."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim, export

from canonic import CSS, ConversionError, DataError, Override, Settings, explain
from canonic.conversion import convert
from canonic.frontend import quiet
from canonic.network.inputs import checked
from tests.unchecked import said

X = torch.randn(8, 4)


def network(*layers):
    return nn.Sequential(nn.Linear(4, 4), *layers)


class Custom(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.function = function

    def forward(self, x):
        y = F.relu(self.layer(x))
        return self.function(y)


def filled(y, index):
    y[index] = 1.0
    return y


def under_autocast(y):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return F.linear(y, torch.ones(4, 4))


GOOD = network(nn.ReLU(), nn.Linear(4, 2))
STATISTICS = torch.zeros(1), torch.ones(1)

REFUSED = [
    (Custom(lambda y: y / y.shape[0]), "it computes with the batch size; keep the samples of a batch apart"),
    (Custom(lambda y: F.dropout(y)), "it drops at random in evaluation too; pass training=self.training"),
    (Custom(lambda y: y.half() * 2), "it turns its stream into torch.float16; keep the data path in float32"),
    (Custom(lambda y: F.relu(y.sum(1) - 1)), "its population has no axis but the batch; keep an axis of size 1"),
    (Custom(lambda y: F.threshold(y, 1, 0)), "it jumps from its value to its threshold; use relu, or a threshold"),
    (Custom(lambda y: y.clamp(0, -1)), r"it clips to \[0, -1\]; clip to \[0, c\] with c > 0"),
    (
        network(Custom(torch.round)),
        (
            r"1 operator of the model cannot be converted:\n  1.round \(aten.round.default, \[4\]\): it jumps: the "
            "smallest error of a spiking network would change it by a whole unit; use a smooth function"
        ),
    ),
    (Custom(torch.sign), "it jumps: the smallest error of a spiking network"),
    (
        Custom(lambda y: nn.LSTM(4, 4, batch_first=True)(y.unsqueeze(1))[0]),
        "it feeds its output back into itself; unroll it",
    ),
    (Custom(lambda y: nn.GRU(4, 4, batch_first=True)(y.unsqueeze(1))[0]), "it feeds its output back into itself"),
    (Custom(lambda y: F.instance_norm(y.unsqueeze(1), *STATISTICS, use_input_stats=False)), "has running statistics"),
    (
        Custom(lambda y: F.scaled_dot_product_attention(*[y.unsqueeze(1)] * 3, dropout_p=0.5)),
        "it drops at random in evaluation too; pass dropout_p = 0",
    ),
    (Custom(lambda y: y.T @ y), "its result .* mixes the samples of a batch; keep them apart"),
    (Custom(lambda y: y.sum(0)), "its result .* mixes the samples of a batch; keep them apart"),
    (Custom(lambda y: y.mean()), "aten.mean.default.*mixes the samples of a batch"),
    (Custom(lambda y: y.softmax(0)), "it acts along the batch axis; keep the samples of a batch apart"),
    (Custom(lambda y: y.unsqueeze(0).softmax(1).squeeze(0)), "it acts along the batch axis"),
    (Custom(lambda y: torch.cumsum(y, 0)), "it acts along the batch axis"),
    (Custom(lambda y: y.flip(0)), "it acts along the batch axis; keep the samples of a batch apart"),
    (Custom(lambda y: y.roll(1, 0)), "it acts along the batch axis"),
    (Custom(lambda y: F.pad(y, (0, 0, 1, 0))), "it pads the batch axis|mixes the samples of a batch"),
    (Custom(lambda y: y[1:]), "its result .* mixes the samples of a batch"),
    (
        Custom(lambda y: torch.cat([y, y], 0)),
        r"output 'output' \[.*\] does not have one row for each sample; return \[batch, \*shape\]: transpose",
    ),
    (Custom(lambda y: y.view(-1, 2)), "output 'output' .* does not have one row for each sample"),
    (Custom(lambda y: y + torch.randn(4)), "it draws random numbers; make it a buffer of the model"),
    (Custom(lambda y: y * torch.arange(y.shape[0])[:, None]), "its constant differs from sample to sample; use one"),
    (Custom(lambda y: y[:, y.argmax(1)]), "it returns places, not values; take it out of the model"),
    (
        Custom(lambda y: y[:, torch.arange(4) > 1]),
        r"its result \[.*\] has a size that depends on what is in a mask; use",
    ),
    (Custom(lambda y: y * y.sum(1).amax(0).item()), "it reads a number from the input; keep it a tensor: no item"),
    (
        Custom(lambda y: y.scatter(1, y.long().clamp(0, 3), y)),
        "scatter.*it is an assignment to places that depend on the input; assign to constant places, .* torch.cat",
    ),
    (Custom(lambda y: y.argmax(1)), "aten.argmax.default"),
    (Custom(lambda y: y.max(1)[1]), "it uses result 1 of aten.max.dim; use only its first result"),
    (
        Custom(lambda y: (y > 0).float()),
        "it jumps: the smallest error .* clamp, relu or leaky_relu in place of a comparison",
    ),
    (Custom(lambda y: y + torch.rand_like(y)), "rand_like.*it draws random numbers; take it out of the model"),
    (
        Custom(lambda y: F.alpha_dropout(y, training=True)),
        "alpha_dropout.*it drops at random in evaluation too; pass training=self.training to dropout",
    ),
    (Custom(lambda y: F.rrelu(y - 1, training=True)), "it draws random numbers in evaluation too; pass training=self"),
    (
        Custom(lambda y: F.batch_norm(y, None, None, training=True)),
        "the statistics of the batch; use running statistics",
    ),
    (Custom(lambda y: torch.cat([y, -y])), r"output 'output' \[2\*batch, 4\] does not have one row for each sample"),
    (Custom(lambda y: filled(y, 0)), "it is an assignment to some samples of a batch; treat all alike"),
    (
        Custom(lambda y: y.masked_scatter(torch.arange(4) > 1, y)),
        "masked_scatter.*it is an assignment that is not converted; build the tensor with torch.cat",
    ),
    (Custom(lambda y: under_autocast(y)), "it turns its stream into torch.bfloat16; .* without autocast or half"),
    (
        Custom(lambda y: torch.std_mean(y, 1)[1][:, None] + torch.fft.rfft(y).real[:, :1]),
        "^2 operators of the model cannot be converted:\n  fft_rfft .*complex64",
    ),
    (Custom(lambda y: torch.fft.fft(y).real), "torch.complex64"),
    (Custom(lambda y: torch.linalg.inv(y.view(-1, 2, 2))), "not in the table; replace it"),
]


@pytest.mark.parametrize(("model", "message"), REFUSED, ids=[m[:40] for _, m in REFUSED])
def test_what_cannot_be_converted_is_refused_with_a_reason(model, message):
    with pytest.raises(ConversionError, match=f"(?s){message}"):
        convert(model, [X])


def test_a_model_whose_answers_depend_on_the_other_samples():
    """Shapes alone do not tell a transpose from a reshape."""
    model = Custom(lambda y: torch.stack([y, 2 * y], 0).flatten(0, 1).unflatten(0, (-1, 2))[:, 0])
    with pytest.raises(ConversionError, match="answer to a sample depends on the other samples of its batch: keep"):
        convert(model, [X])


def test_a_refusal_shows_the_line_of_the_users_model():
    with pytest.raises(ConversionError, match=r"test_messages.py:\d+: return self.function\(y\)"):
        convert(Custom(torch.sign), [X])


def test_a_model_in_which_nothing_spikes():
    message = "nothing in this model would spike: it has no relu and no two layers of weights in a row"
    for model in (network(), network(nn.GELU()), Custom(lambda y: y).layer):
        with pytest.raises(ConversionError, match=message):
            convert(model, [X])
    with pytest.raises(ConversionError, match=message):
        explain(network(nn.Softmax(1)), X)


class DataDependent(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return F.relu(x)
        return x


def test_a_model_that_cannot_be_captured_shows_the_line_and_a_short_reason():
    with pytest.raises(ConversionError) as caught:
        convert(DataDependent(), [X])
    message = str(caught.value)
    assert message.startswith("torch.export cannot capture the model with inputs of shape [3, 4]: ")
    assert "test_messages.py" in message
    assert '"if x.sum() > 0:"' in message
    assert "move decisions on data out of forward" in message
    assert len(message) < 700


EXPORT = [
    (lambda y: y.view(3, 4) * 1.0, "its code is that of a batch of 3 only .*y.view.3, 4.*use x.shape.0. or -1 where"),
    (lambda y: torch.stack([2 * row for row in y]), "a batch of 3 only .*for row in y.*no Python loop over them"),
    (
        lambda y: y if y.shape[0] > 2 else 2 * y,
        "its code does one thing for some batch sizes and another for the rest .3 <= batch.*each sample in the same way",
    ),
    (lambda y: y @ y, "mat1 and mat2 shapes cannot be multiplied .3x4 and 3x4. .*check that these are the shapes"),
    (
        lambda y: y.view(-1, 2, 4),
        "is invalid for input of size 12.*use x.shape.0. or -1 where the batch size stands",
    ),
    (lambda y: (y, torch.nn), "it returns a module|does not depend"),
]


@pytest.mark.parametrize(("function", "message"), EXPORT, ids=[m[:40] for _, m in EXPORT])
def test_what_torch_cannot_export_for_every_batch(function, message):
    with pytest.raises(ConversionError, match=f"(?s){message}"):
        convert(Custom(function), [X])


@pytest.mark.parametrize(
    "function",
    [
        lambda y: torch.cdist(y, torch.eye(4)),
        lambda y: sum(torch.cat([y, -y]).chunk(2)) + y,
    ],
    ids=["cdist", "chunks of a doubled batch"],
)
def test_bounds_that_torch_cannot_prove_do_not_fix_the_batch(function):
    assert convert(Custom(function), [X], progress=False)(X[:5]).shape == (5, 4)


class DynamicCache:
    """As of language models."""


def test_a_cache_among_the_outputs():
    message = "it returns a tests.test_messages.DynamicCache.*: with transformers, model.config.use_cache = False"
    with pytest.raises(ConversionError, match=message):
        convert(Custom(lambda y: (y, DynamicCache())), [X])


def test_a_program_with_a_fixed_batch():
    program = torch.export.export(GOOD, (X,))
    with pytest.raises(ConversionError, match=r"has a fixed shape \[8, 4\] for its input.*dynamic_shapes"):
        convert(program, [X])


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return F.relu(x)


def test_a_buffer_that_changes_in_forward():
    with pytest.raises(ConversionError, match="the model changes its buffer calls in forward"):
        convert(Counting(), [X])


def test_an_output_that_does_not_depend_on_the_input():
    with pytest.raises(ConversionError, match="the output 1 of the model does not depend on its input"):
        convert(Custom(lambda y: (y, torch.zeros(3))), [X])


def test_half_precision():
    with pytest.raises(
        ConversionError, match="the weights of the model are torch.bfloat16 .0.weight.: convert it to float32"
    ):
        convert(network(nn.ReLU()).bfloat16(), [X.bfloat16()])


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_model():
    model = torch.ao.quantization.quantize_dynamic(network(nn.ReLU()), {nn.Linear}, dtype=torch.qint8)
    with pytest.raises(
        ConversionError, match=r"the model is quantised \(0 is a torch.ao.*Linear\): convert the network that"
    ):
        convert(model, [X])


class QuantizedReLU(nn.ReLU):
    """A float module whose name and path say otherwise."""


def test_a_name_does_not_make_a_model_quantised():
    QuantizedReLU.__module__ = "some_quantized_networks.quantized"
    model = network(QuantizedReLU(), nn.Linear(4, 2), torch.ao.nn.quantized.FloatFunctional())
    assert convert(model[:3], [X], progress=False)(X).shape == (8, 2)
    with pytest.raises(ConversionError, match=r"the model is quantised \(0.scale is torch.qint8|0 is a torch.ao"):
        convert(nn.Sequential(torch.ao.nn.quantized.Quantize(1.0, 0, torch.quint8)), [X])


class Loops(nn.Module):
    def forward(self, x):
        y = F.relu(x)
        for _ in range(int(y.sum())):
            y = y * 2
        return y


def test_a_loop_that_depends_on_data_is_shown_and_nothing_else_is_printed(capfd):
    with pytest.raises(ConversionError, match="data-dependent .* range.* move decisions on data out of forward"):
        convert(Loops(), [X])
    assert capfd.readouterr() == ("", "")


CALIBRATION = [
    ([], DataError, "the calibration data is empty: pass at least one batch"),
    (iter([]), DataError, "the calibration data is empty"),
    (X, DataError, r"calibration must be an iterable of batches, got one tensor: pass \[x\]"),
    (
        [X, X[:, :3]],
        DataError,
        r"calibration batch 1: input input must have the shape \[batch, 4\], got \[8, 3\]",
    ),
    ([torch.zeros(8, 3)], ConversionError, r"with inputs of shape \[3, 3\]: .*check that these are the shapes"),
    ([X, X.long()], DataError, "calibration batch 1: input input must be floating point, got torch.int64"),
    (
        [X.long()],
        ConversionError,
        "0 .aten.linear.default, .4..: its input holds whole numbers; give the network floating point",
    ),
    ([X, X * float("nan")], DataError, "calibration batch 1: input input holds NaN or infinity"),
    ([X / 0], DataError, "calibration batch 0: input input holds NaN or infinity"),
    ([X, "text"], DataError, "calibration batch 1 must be a tensor, a tuple or a dict of tensors, got str"),
    ([X, ()], DataError, r"calibration batch 1: the network takes 1 input \(input\), got 0"),
]


@pytest.mark.parametrize(("calibration", "error", "message"), CALIBRATION, ids=[m for *_, m in CALIBRATION])
def test_calibration_data_that_cannot_be_used(calibration, error, message):
    with pytest.raises(error, match=message):
        convert(GOOD, calibration)


SETTINGS = [
    ("Settings(threshold='best')", "threshold must be one of mse, max, percentile, balance, ceiling, got 'best'"),
    ("Settings(input='rat')", "input must be direct, css or a code: there is no code 'rat': did you mean rate"),
    ("Settings(bias='never')", "bias must be one of first, spread, got 'never'"),
    (
        "Settings(percentile=0)",
        "percentile of settings must lie in (0, 100], got 0: 99.9 clips one activation in 1000",
    ),
    ("Settings(overrides={'a': Override(percentile=101)})", "percentile of a must lie in (0, 100], got 101"),
    (
        "Settings(overrides={'a': Override(threshold='best')})",
        "threshold of a must be one of mse, max, percentile, balance, ceiling",
    ),
    ("Settings(silent='automatic')", "silent of settings must be a whole number or \"auto\", got 'automatic'"),
    ("grid(threshold=['best'])", "threshold must be one of mse, max, percentile, balance, ceiling, got 'best'"),
    ("grid(silent=[1, 'few'])", "silent of settings must be a whole number or \"auto\", got 'few'"),
    ("grid(precision=['int4'])", "precision must be one of fp32, bf16x2, bf16, int8, got 'int4'"),
    ("CSS(steps=4.0)", "steps must be a whole number from 1 to 24, got 4.0"),
    ("CSS(steps='8')", "steps must be a whole number from 1 to 24, got '8'"),
    ("CSS(silent=None)", "silent must be a whole number from 0 to 8, got None"),
    ("CSS(beta='2')", "beta must be a number, got '2': take 2"),
    ("CSS(beta=2j)", "beta must be a number, got 2j"),
    ("CSS(phi=True)", "phi must be a number, got True: 0.5 rounds to nearest"),
    ("CSS(phi=np.ones(2))", "phi must be a number, got array([1., 1.])"),
    (
        "CSS(np.int64(6), beta=2, phi=np.float32(0.5))",
        "CSS(steps=6, silent=1, beta=2.0, phi=0.5, levels=1, powers=False)",
    ),
    ("Settings(percentile='99')", "percentile of settings must be a number, got '99'"),
    ("Settings(percentile=float('nan'))", "percentile of settings must lie in (0, 100], got nan"),
    ("Settings(silent=-1)", "silent of settings must be a whole number from 0 to 24, got -1"),
    ("Settings(overload_limit='low')", "overload_limit must be a number, got 'low'"),
    ("CSS(8, 0, levels=8, powers='no')", "powers must be True or False, got 'no'"),
    ("Settings(correct='no')", "correct must be True or False, got 'no'"),
    ("Settings(overrides=['fc'])", "overrides must be a dict of Override by name, got list"),
    (
        "Settings(overrides={'fc': {'silent': 2}})",
        "the override of fc must be an Override, got dict: Override(silent=2)",
    ),
    ("Settings(overrides={'fc': Override(silent=1.5)})", "silent of fc must be a whole number from 0 to 24, got 1.5"),
    ("Settings(overrides={'fc': Override(phi='half')})", "phi of fc must be a number, got 'half'"),
    ("as_network(len, torch.zeros(1, 2), 3)", "net must be an nn.Module, got"),
    (
        "spiking(torch.nn.Sequential(torch.nn.ReLU()), LIF)",
        "rule must be a rule with its fields, as LIF(leak=0.5), got",
    ),
    ("evaluate(len, [])", "snn must be a SpikingNetwork, got builtin_function_or_method"),
]

IMPORTS = """
import numpy as np
from canonic.frontend import quiet
from canonic.network.inputs import checked
import torch
from canonic import CSS, Override, Settings, evaluate
from canonic.learn import LIF, as_network, spiking
from canonic.sweep import grid
"""


def test_settings_out_of_range():
    messages = said((expression for expression, _ in SETTINGS), IMPORTS)
    assert len(messages) == len(SETTINGS)
    for message, (_, expected) in zip(messages, SETTINGS, strict=True):
        assert message.startswith(expected)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("layer9.relu", "the override 'layer9.relu' matches no population: known are 1"),
        ("[", r"the override '\[' is no name and no regular expression"),
    ],
)
def test_an_override_for_a_layer_that_is_not_there(key, message):
    with pytest.raises(ConversionError, match=message):
        convert(GOOD, [X], settings=Settings(overrides={key: Override(silent=2)}))


def test_an_unknown_layer_is_answered_with_the_nearest_names():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = network(nn.ReLU())

        def forward(self, x):
            return self.block(x)

    with pytest.raises(ConversionError, match=r"did you mean block.1\?"):
        convert(Named(), [X], settings=Settings(overrides={"blok.1": Override(silent=2)}))
    with pytest.raises(DataError, match=r"there is no population 'blok.1': did you mean block.1\?"):
        convert(Named(), [X]).trace(X, layers=["blok.1"])


def test_an_override_out_of_the_range_of_the_code():
    with pytest.raises(ConversionError, match="the override of 1: silent must be a whole number from 0 to 8, got 9"):
        convert(GOOD, [X], code=CSS(steps=8), settings=Settings(overrides={"1": Override(silent=9)}))


def test_a_decomposed_program_that_changes_its_input():
    """torch 2.13 cannot read its own program once more when the input is called input."""
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    with quiet():
        program = export(model, (X,), dynamic_shapes=({0: Dim("batch")},)).run_decompositions({})
    with pytest.raises(
        ConversionError, match="torch cannot decompose the exported program .*: give it as torch.export"
    ):
        convert(program, [X])


def test_a_buffer_that_is_changed_twice():
    counting = Counting()
    with pytest.raises(ConversionError, match="torch cannot decompose|the model changes its buffer"):
        convert(nn.Sequential(nn.Linear(4, 3), counting, nn.ReLU(), counting, nn.Linear(3, 2)), [X])


def test_weights_that_are_not_finite():
    model = network(nn.ReLU())
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(ConversionError, match=r"^0.weight of the model holds NaN or infinity in 1 of 16 places"):
        convert(model, [X])


def test_inputs_with_different_batch_sizes():
    class Two(nn.Module):
        def forward(self, x, y):
            return F.relu(x + y)

    snn = convert(Two(), [(X, X)])
    with pytest.raises(DataError, match="the call: its inputs hold 1 and 8 samples: give as many of each"):
        checked(snn.graph, (X, X[:1]), "the call")


def test_a_scheduler_that_does_not_exist():
    from canonic.network.spiking import _require_scheduler

    with pytest.raises(DataError, match="scheduler must be one of layerwise, clocked, got 'layrwise'"):
        _require_scheduler("layrwise")


@pytest.mark.parametrize("device", ["tpu", "meta:x", "cuda:99"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(DataError, match=f"the device '{device}' cannot be used here .*: take 'cpu', or 'cuda' where"):
        convert(GOOD, [X]).to(device)


def test_one_cause_is_one_refusal():
    explanation = explain(Custom(lambda y: F.relu(F.relu(y.unsqueeze(1).transpose(0, 1)) * 2)), X)
    assert len(explanation.refused) == 1


CALLS = [
    ((), r"the call: the network takes 1 input \(input\), got 0"),
    ((torch.zeros(2, 5),), r"the call: input input must have the shape \[batch, 4\], got \[2, 5\]"),
    ((torch.zeros(0, 4),), r"must have the shape \[batch, 4\] with at least one sample, got \[0, 4\]"),
    ((torch.full((2, 4), float("inf")),), "holds NaN or infinity"),
]


@pytest.mark.parametrize(("inputs", "message"), CALLS, ids=[m for _, m in CALLS])
def test_calls_that_do_not_fit(inputs, message):
    with pytest.raises(DataError, match=message):
        convert(GOOD, [X])(*inputs)
