"""Networks of whole numbers lose no more than weights of eight bits must, whatever they are made of, or are refused."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, linear
from torch.utils import _pytree as pytree

from canonic import CSS, ConversionError, convert
from canonic.measure.baselines import eight_bits
from canonic.network.graph import Constant, Node, Slot
from canonic.network.kernels import multiply, pack
from canonic.network.reference import reference
from tests.lambdas import Lambda, conv
from tests.networks import build

KINDS = """conv3d/grouped/transposed bn/pre-activation/max pooling/long and short branch/concat/squeeze
assignment, decoded/linear on the last axis/stack""".replace("\n", "/")


def leaves(tree):
    return pytree.tree_leaves(tree)


def noise(found, wanted):
    return [float((a - b).square().sum() / b.square().sum()) for a, b in zip(found, wanted, strict=True)]


def examine(model, x, y, silent=2):
    """The error of int8 is at most 2 dB above those of fp32, of weights of eight bits, and of an input of eight."""
    snn = convert(model, [x], code=CSS(8, silent), progress=False)
    integer = snn.to_precision("int8")
    rounded = replace(snn.graph, nodes=tuple(map(eight_bits, snn.graph.nodes)))
    step = y.abs().max() / 127
    whole = (y / step).round() * step
    with torch.no_grad():
        wanted, found = leaves(model(y)), leaves(integer(y))
        exact, least, coarse = (
            noise(n, wanted) for n in (leaves(snn(y)), reference(rounded, [y]), leaves(model(whole)))
        )
    for ours, *others in zip(noise(found, wanted), exact, least, coarse, strict=True):
        assert ours <= 10**0.2 * sum(others)
    for a, b in zip(found, leaves(integer(y, scheduler="clocked")), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-5 * float(b.abs().max()))


@pytest.mark.parametrize("name", KINDS.split("/"))
def test_the_operators_lose_no_more_than_eight_bits_must(name):
    torch.manual_seed(0)
    model, shape = build(name)
    examine(model.float(), torch.randn(64, *shape), torch.randn(32, *shape))


class Dead(nn.Module):
    """A batch norm behind units of which some never fire, whose deviation is none."""

    def __init__(self):
        super().__init__()
        self.a, self.norm, self.b, self.c = (
            nn.Linear(8, 24),
            nn.BatchNorm1d(24, momentum=None),
            nn.Linear(24, 24),
            nn.Linear(24, 5),
        )

    def forward(self, x):
        return self.c(torch.relu(self.b(self.norm(torch.relu(self.a(x))))))


def test_dead_units_decide_no_grid():
    model, x = Dead(), torch.randn(256, 8)
    with torch.no_grad():
        model.a.bias[:3] -= 100
        model(x)
    examine(model.eval(), x, torch.randn(64, 8))


STEPS = {"1 - y": lambda y: 1 - y, "-y": lambda y: -y, "y + 0.01": lambda y: y + 0.01, "2 y - 3": lambda y: 2 * y - 3}


@pytest.mark.parametrize("name", STEPS)
def test_a_sign_or_a_shift_before_a_matrix_costs_nothing(name):
    """Of sixteen channels: what rounding makes of six scatters by two decibels."""
    model = Lambda(
        lambda m, x: m.c(torch.relu(m.b(STEPS[name](torch.relu(m.a(x))))).mean((2, 3))),
        a=conv(3, 16),
        b=conv(16, 16),
        c=nn.Linear(16, 4),
    )
    x = torch.randn(96, 3, 6, 6)
    examine(model.eval(), x[:64], x[64:])


COARSE = {
    "an average of spikes": lambda m, x: torch.relu(avg_pool2d(torch.relu(m.a(x)), 2) - 0.2),
    "spikes beside the input": lambda m, x: torch.cat([x, torch.relu(m.a(x))[:, 3:]], 1),
    "spikes beside a current": lambda m, x: torch.relu(torch.cat([torch.relu(m.a(x))[:, :8], m.a(x)[:, 8:]], 1) - 0.1),
}


@pytest.mark.parametrize("name", COARSE)
def test_spikes_are_put_on_a_grid_fine_enough_for_what_reads_them(name):
    """They lie on the grid 1, on which a bias, a threshold, or weights shared with large numbers would be rounded."""
    torch.manual_seed(0)
    model = Lambda(
        lambda m, x: m.c(torch.relu(m.b(COARSE[name](m, x))).mean((2, 3))),
        a=conv(3, 16),
        b=conv(16, 16),
        c=nn.Linear(16, 4),
    )
    x = torch.randn(96, 3, 6, 6)
    examine(model.eval(), x[:64], x[64:])


def test_many_silent_steps_behind_a_scale_leave_membranes_their_room():
    """Of a current that two read: its numbers may be larger than a threshold may."""
    torch.manual_seed(0)
    model = Lambda(
        lambda m, x: m.c(torch.cat([torch.relu((y := m.a(x)) * 0.1 - 1), torch.relu(y)], 1)),
        a=nn.Linear(8, 16),
        c=nn.Linear(32, 5),
    )
    with torch.no_grad():
        model.a.weight *= 100
    x = torch.randn(256, 8)
    examine(model.eval(), x[:192], x[192:], silent=6)


TRANSPOSED = [
    (nn.ConvTranspose2d, 2, {"out_channels": 8, "kernel_size": 4, "stride": 2, "padding": 1, "groups": 2}),
    (nn.ConvTranspose2d, 2, {"out_channels": 4, "kernel_size": 3, "groups": 4}),
    (nn.ConvTranspose1d, 1, {"out_channels": 6, "kernel_size": 4, "stride": 2, "groups": 2}),
    (nn.ConvTranspose3d, 3, {"out_channels": 4, "kernel_size": 2, "stride": 2, "groups": 2}),
]


@pytest.mark.parametrize(("kind", "axes", "given"), TRANSPOSED)
def test_transposed_convolutions_in_groups_have_a_grid_for_each_channel(kind, axes, given):
    layer, before = kind(8, **given), getattr(nn, f"Conv{axes}d")(3, 8, 2)
    with torch.no_grad():  # channels of very different sizes
        layer.weight[:, 0] *= 100
    x = torch.randn(64, 3, *[5] * axes)
    examine(nn.Sequential(before, nn.ReLU(), layer), x[:48], x[48:])


def test_a_convolution_that_says_that_it_is_transposed():
    model = Lambda(
        lambda m, x: torch.ops.aten.convolution(torch.relu(m.a(x)), m.w, None, [2, 2], [1, 1], [1, 1], True, [0, 0], 2),
        a=conv(3, 8),
    )
    model.w = nn.Parameter(torch.randn(8, 3, 4, 4))
    x = torch.randn(48, 3, 5, 5)
    examine(model.eval(), x[:32], x[32:])


def test_silent_steps_that_leave_weights_no_bits_are_refused_with_the_layer():
    snn = convert(
        nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)),
        [torch.randn(32, 5)],
        code=CSS(12, 12),
        progress=False,
    )
    with pytest.raises(
        ConversionError, match=r"0 \(aten.linear.default.*the silent steps behind it leave too few bits"
    ):
        snn.to_precision("int8")


@pytest.mark.parametrize("scheduler", ["layerwise", "clocked"])
def test_a_network_of_float64_gives_the_same_whole_numbers(scheduler):
    torch.manual_seed(0)
    model, _ = build("average pooling")
    x = torch.randn(32, 3, 8, 8)
    exact, single = (
        convert(source, [given], code=CSS(8, 2), progress=False).to_precision("int8")
        for source, given in ((model, x.double()), (deepcopy(model).float(), x))
    )
    assert torch.allclose(exact(x.double(), scheduler=scheduler).float(), single(x), rtol=0, atol=1e-5)


WHYS = {
    "its averages are over unequal numbers": lambda y: torch.nn.functional.adaptive_avg_pool2d(y, 4),
    "this operator is not written for them": lambda y: y.mean(1),
}


@pytest.mark.parametrize("why", WHYS)
def test_what_has_no_whole_numbers_is_refused_with_the_layer_and_the_reason(why):
    model = Lambda(lambda m, x: WHYS[why](torch.relu(m.a(x))), a=conv(3, 16))
    snn = convert(model, [torch.randn(32, 3, 6, 6)], code=CSS(8, 2), progress=False)
    with pytest.raises(ConversionError, match=rf"aten.*cannot be computed in whole numbers: {why}; use bf16"):
        snn.to_precision("int8")


def matrix(operator, weight, shape, **arguments):
    given = {"input": Slot(0), "weight": Constant("weight"), "bias": None, **arguments}
    return Node("m", "synapse", operator, ("x",), shape, given, {"weight": weight}, "weighs")


def digits(levels, shape):
    """Spikes of that many levels, of which the sums are largest: of the largest, and none, and some between."""
    return (torch.randint(-1, 2, shape) * levels // torch.randint(1, 3, shape)).to(torch.int8)


@pytest.mark.parametrize("inputs", [1, 2, 3, 8, 17, 64])
@pytest.mark.parametrize("levels", [1, 127])
def test_linear_layers_of_any_width_give_exact_sums(inputs, levels):
    spikes = digits(levels, (5, inputs))
    for outputs in (1, 2, 7, 16, 33):
        weight = torch.randint(-127, 128, (outputs, inputs)).float()
        node = pack(matrix("aten.linear.default", weight, (outputs,)), (inputs,), levels)
        for _ in range(3):
            assert torch.equal(multiply(node, [spikes]), linear(spikes.float(), weight))


ODD = [
    ((5, 3, 1), (3, 2), [1, 3], [2, 1], [2, 1]),
    ((33, 9, 1), (4, 2), [3, 3], [5, 2], [2, 3]),
    ((2, 1, 2), (1, 1), [4, 4], [0, 0], [3, 3]),
    ((4, 1, 10), (4, 4), [2, 4], [5, 3], [2, 3]),
    ((16, 10, 9), (3, 5), [1, 3], [2, 1], [1, 2]),
    ((8, 6, 6), (3, 3), [1, 1], [1, 1], [1, 1]),
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding", "dilation"), ODD)
@pytest.mark.parametrize("levels", [1, 63, 64, 127])
def test_convolutions_of_odd_geometry_give_exact_sums(shape, kernel, stride, padding, dilation, levels):
    """Those that torch's operators get wrong, or cannot do without a segmentation fault, are done otherwise."""
    spikes = digits(levels, (7, *shape))
    weight = torch.randint(-127, 128, (17, shape[0], *kernel)).float()
    wanted = conv2d(spikes.float(), weight, None, stride, padding, dilation)
    given = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 1}
    node = matrix("aten.conv2d.default", weight, tuple(wanted.shape[1:]), **given)
    assert torch.equal(multiply(pack(node, shape, levels), [spikes]), wanted)
    narrow = node.with_tensors(weight=weight.bfloat16())
    assert torch.allclose(
        multiply(narrow, [spikes]), conv2d(spikes.float(), weight.bfloat16().float(), None, stride, padding, dilation)
    )


@pytest.mark.parametrize("pixels", [1, 3, 40])
@pytest.mark.parametrize("stride", [[1, 1], [2, 2], [3, 1]])
@pytest.mark.parametrize("levels", [1, 64, 127])
def test_convolutions_of_one_pixel_give_exact_sums_for_few_pixels_and_for_many(pixels, stride, levels):
    for channels, groups in ((1, 1), (2, 1), (16, 1), (6, 2)):
        spikes = digits(levels, (5, channels, pixels, pixels + 1)).contiguous(memory_format=torch.channels_last)
        weight = torch.randint(-127, 128, (12, channels // groups, 1, 1)).float()
        wanted = conv2d(spikes.float(), weight, None, stride, 0, 1, groups)
        given = {"stride": stride, "padding": [0, 0], "dilation": [1, 1], "groups": groups}
        node = matrix("aten.conv2d.default", weight, tuple(wanted.shape[1:]), **given)
        assert torch.equal(multiply(pack(node, tuple(spikes.shape[1:]), levels), [spikes]), wanted)


def normed(channels):
    """A batch norm that takes means off which are large beside the deviations."""
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        norm.running_var.uniform_(0.2, 3)
        norm.running_mean.normal_()
    return norm


relu = torch.relu
GRIDS = {
    "numbers beside spikes, behind a scale": (
        lambda m, x: m.a(torch.cat([x, relu(x)], -1).clamp(0, 1)),
        (6,),
        {"a": nn.Linear(12, 4)},
    ),
    "numbers beside spikes": (
        lambda m, x: m.a(torch.cat([x[:, :2], relu(x[:, 2:]) / 30], -1)),
        (6,),
        {"a": nn.Linear(6, 4)},
    ),
    "numbers beside spikes, on their own": (
        lambda m, x: torch.cat([x, relu(m.a(x))], -1),
        (6,),
        {"a": nn.Linear(6, 6)},
    ),
    "means beside maxima": (
        lambda m, x: m.b(torch.cat([(y := relu(m.a(x))).mean((2, 3)), y.amax((2, 3))], -1)),
        (3, 7, 7),
        {"a": conv(3, 8), "b": nn.Linear(16, 4)},
    ),
    "means of two kinds": (
        lambda m, x: relu(avg_pool2d(y := relu(m.a(x)), 3, 3) - avg_pool2d(y, 2, 3)),
        (3, 6, 6),
        {"a": conv(3, 8)},
    ),
    "means, shifted": (
        lambda m, x: relu(m.b(avg_pool2d(relu(m.a(x)), 2))),
        (3, 6, 6),
        {"a": conv(3, 8), "b": normed(8)},
    ),
}


def with_sums(m, x):
    """Large sums of spikes, written among spikes."""
    y = relu(m.a(x) + 3)
    some = y[..., 0, 0].clone()
    some[:, :3] = y.sum((2, 3))[:, :3]
    return m.b(some)


GRIDS["sums among spikes"] = with_sums, (3, 16, 16), {"a": conv(3, 8), "b": nn.Linear(8, 32)}


def redraw(layers):
    """Draw weights of layers anew: they were made at import, whatever was drawn before."""
    for module in (part for layer in layers.values() for part in layer.modules() if hasattr(part, "reset_parameters")):
        module.reset_parameters()


@pytest.mark.parametrize("name", GRIDS)
def test_coarse_numbers_round_no_thresholds_and_no_weights_that_others_read(name):
    torch.manual_seed(0)
    function, shape, layers = GRIDS[name]
    redraw(layers)
    x = torch.randn(96, *shape)
    examine(Lambda(function, **layers).eval(), x[:64], x[64:].clamp(-x[:64].abs().max(), x[:64].abs().max()))


def test_an_answer_with_tiny_weights_is_as_good_as_others():
    """Of twelve outputs: what rounding makes of one scatters."""
    torch.manual_seed(0)
    model = Lambda(
        lambda m, x: m.b(relu(m.a(x))).split([20, 12], -1),
        a=nn.Linear(6, 16),
        b=nn.Linear(16, 32),
    )
    with torch.no_grad():
        model.b.weight[20:] *= 1e-6
        model.b.bias[20:] *= 1e-6
    x = torch.rand(96, 6)
    examine(model.eval(), x[:64], x[64:])


SATURATED = {
    "a small scale": (lambda m, x: m.a(relu(0.01 * x + 1)), (6,), 8, {"a": nn.Linear(6, 24)}),
    "means of many": (lambda m, x: relu(avg_pool2d(m.a(x), 6)), (3, 6, 6), 6, {"a": conv(3, 24)}),
}


@pytest.mark.parametrize("name", SATURATED)
def test_no_threshold_is_larger_than_membranes_hold(name):
    torch.manual_seed(2)  # with weights of others sums may be too large, which is said
    function, shape, silent, layers = SATURATED[name]
    redraw(layers)
    x = torch.rand(96, *shape)
    model = Lambda(function, **layers).eval()
    examine(model, x[:64], x[64:], silent)


def test_silent_steps_that_leave_thresholds_no_bits_are_refused_with_the_layer():
    torch.manual_seed(0)
    model = Lambda(lambda m, x: relu(m.a(relu(x))), a=nn.Linear(6, 4))
    snn = convert(model, [torch.randn(32, 6)], code=CSS(14, 13), progress=False)
    with pytest.raises(
        ConversionError, match=r"\[6\]\) .* the silent steps behind it leave too few bits for thresholds"
    ):
        snn.to_precision("int8")


class Twice(nn.Module):
    """Returns one stream under two names, with a sum that reads it twice, beside another one."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x):
        hidden = torch.relu(self.one(x))
        y = self.two(hidden)
        return {"y": y, "again": y, "sum": hidden + hidden, "z": y + y + x[:, :3]}


@pytest.mark.parametrize("scheduler", ["layerwise", "clocked"])
def test_one_stream_may_be_returned_and_read_twice(scheduler):
    torch.manual_seed(0)
    model, x = Twice(), torch.randn(64, 5)
    integer = convert(model, [x], code=CSS(8, 2), progress=False).to_precision("int8")
    with torch.no_grad():
        assert max(noise(leaves(integer(x, scheduler=scheduler)), leaves(model(x)))) < 1e-3


def test_an_input_beyond_those_of_the_calibration_is_held():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), torch.rand(64, 6)
    examine(model, x, 1.5 * x)
