"""Synaptic operations against a count by brute force: every element, every digit, every coefficient."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import pad

from canonic import CSS, Settings, evaluate
from canonic.conversion import convert
from canonic.conversion.calibrate import calibrate
from canonic.conversion.convert import spiking
from canonic.conversion.explain import analyse
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import resolve
from canonic.measure.counts import Operations
from canonic.measure.fanout import fan_out
from canonic.measure.operations import Account
from canonic.measure.tally import count_inputs, counted, firing_counter, occurrences, seen_of, value_counter
from canonic.network.apply import all_finite, apply, operator_of
from canonic.network.graph import Node, Population, Slot
from canonic.network.layerwise import at_once
from canonic.network.padding import without_idle
from canonic.network.reference import reference
from tests.lambdas import conv
from tests.networks import CASES, build, exported

SAMPLES = 3


def given(name):
    """A network of those that every operator is tested in, as a program, and samples with few zeros."""
    _, program, x = exported(name)
    return program, torch.rand(SAMPLES, *x.shape[1:], dtype=torch.float64) - 0.3


def converted(name):
    model, x = given(name)
    return convert(model, [x], code=CSS(steps=4), progress=False), x


def explained(name):
    """The same, and the nodes whose weights multiply numbers as ``explain`` says."""
    (model, x), code = given(name), CSS(steps=4)
    graph, explanation = analyse(model, (x,), code)
    graph = set_codes(graph, code, resolve(Settings(), [node.name for node in graph.populations]))
    snn = spiking(graph, calibrate(graph, [x], first=SAMPLES), code, Settings())
    return snn, x, {verdict.name for verdict in explanation.verdicts if verdict.multiplies}


def coefficients(graph, node, index):
    """How many outputs each element of an input reaches: a one is sent from each in turn, with weights of one."""
    shape = graph[node.inputs[index]].shape
    ones = torch.eye(graph[node.inputs[index]].size, dtype=torch.float64).view(-1, *shape)
    given = [torch.zeros(len(ones), *graph[name].shape, dtype=torch.float64) for name in node.inputs]
    given[index] = ones
    weight = {"weight": (node.tensors["weight"] != 0).double()} if "weight" in node.tensors else {}
    return (apply(node.with_tensors(**weight), given, len(ones)) != 0).flatten(1).sum(1).tolist()


def moves(node):
    return node.kind in ("structure", "input") or "nearest" in node.operator


def is_analog_function(node):
    return node.kind == "function unit" and not any(word in node.operator for word in ("max_pool", "amax", ".max."))


def by_brute_force(snn, x):
    """ACs and MACs of each node: of every spike, of every digit, of every sample."""
    graph, streams = snn.clocked_plan.graph, {snn.graph.inputs[0]: x.unsqueeze(0)}
    at_once(
        snn.clocked_plan,
        [x],
        lambda node, _, result: streams.update({node.name: result if torch.is_tensor(result) else result.spikes}),
    )
    found = {}
    for node in graph.nodes:
        if moves(node) or isinstance(node, Population) or is_analog_function(node):
            continue
        identity = node.is_scale and bool((node.tensors["weight"] == 1).all())
        for index, name in enumerate(node.inputs):
            stream = streams[name]
            if is_current(graph, graph[name]) and (identity or adds_up(graph, node)):
                continue
            fan = coefficients(graph, node, index)
            numbers = carries_numbers(graph, graph[name], streams).flatten()
            counts = found.setdefault(node.name, [0, 0])
            for digit in stream:
                for sample in digit.flatten(1):
                    for value, count, number in zip(sample.tolist(), fan, numbers.tolist(), strict=True):
                        product = number and "weight" in node.tensors and not identity
                        counts[1 if product else 0] += count if value != 0 else 0
    return found


def carries_numbers(graph, node, streams):
    """For each element of a stream whether the stream that it comes from holds anything but -1, 0 and 1."""
    if moves(node) and node.inputs and "bias" not in node.tensors:
        given = [carries_numbers(graph, graph[name], streams).double().unsqueeze(0) for name in node.inputs]
        return apply(node, given, 1)[0] != 0
    ternary = bool(torch.isin(streams[node.name], torch.tensor([-1.0, 0.0, 1.0]).double()).all())
    return torch.full(node.shape, not ternary)


def adds_up(graph, node):
    """Sums that go on into a membrane: no other node looks at them."""
    readers = graph.consumers[node.name]
    added = node.operator.startswith(("aten.add", "aten.sub"))
    return added and all(
        isinstance(reader, Population) or reader.operator.startswith(("aten.add", "aten.sub")) for reader in readers
    )


def is_current(graph, node):
    """Sums on their way to a membrane: what a synapse gives, moved or not."""
    if moves(node) and node.inputs and "bias" not in node.tensors:
        return {is_current(graph, graph[name]) for name in node.inputs} == {True}
    return node.kind == "synapse"


SMALL = [name for name in CASES if name not in ("several outputs", "one output twice", "the input as output")]


@pytest.mark.parametrize("name", SMALL)
def test_every_operation_is_counted(name):
    snn, x, said = explained(name)
    account, seen, multiply = Account(snn.clocked_plan.graph, 4, spiking=True), seen_of(snn.graph.inputs, [x]), set()
    snn.readout(x, observe=firing_counter(seen, account, snn.clocked_plan.codes))
    counted = seen.operations(account, len(x))
    for node, (additions, products) in by_brute_force(snn, x).items():
        made = counted.get(node, Operations())
        assert (made.additions, made.multiplications) == (additions, products), node
        assert made.event_additions == additions, node
        multiply |= {node.split(".term")[0]} if products and snn.graph[node].weighted else set()
    assert multiply == said


@pytest.mark.parametrize("name", ["conv2d", "grouped", "max pooling", "residual", "average pooling", "linear bn"])
def test_the_source_network_multiplies_what_is_not_zero(name):
    snn, x = converted(name)
    account, activity = Account(snn.graph), count_inputs(snn.graph.inputs, [x])
    values = {snn.graph.inputs[0]: x}
    count = value_counter(activity, account.watched)
    reference(snn.graph, [x], lambda node, given, value: (values.update({node.name: value}), count(node, given, value)))
    made = account.count(activity, len(x))
    for node in snn.graph.nodes:
        if node.weighted:
            fan = torch.tensor(coefficients(snn.graph, node, 0))
            wanted = int(((values[node.inputs[0]] != 0).flatten(1) * fan).sum())
            assert made[node.name].multiplications == wanted
            assert made[node.name].dense_multiplications == len(x) * int(fan.sum())


def test_spikes_that_are_joined_with_numbers_stay_additions():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(1, 4, 3, padding=1), nn.AvgPool2d(3, 1, 1), nn.Conv2d(8, 3, 1)

        def forward(self, x):
            spikes = torch.relu(self.a(x))
            return self.c(torch.cat([spikes, self.b(spikes)], 1))

    torch.manual_seed(0)
    x = torch.rand(3, 1, 5, 5)
    snn = convert(Joined().eval(), [x], code=CSS(steps=4), progress=False)
    made = evaluate(snn, [(x, snn(x))]).operations["c"]
    spikes = sum(firing.spikes for firing in evaluate(snn, [(x, snn(x))]).counts.firing.values())
    assert made.additions == 3 * spikes
    assert 0 < made.multiplications <= 3 * 4 * 4 * 25 * 3


def test_rounding_multiplies_unless_it_shifts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(3), nn.Flatten(), nn.Linear(16, 3)).eval()
    x = torch.rand(9, 1, 8, 8)
    snn = convert(model, [x], code=CSS(steps=4), progress=False).to_precision("int8")
    found = evaluate(snn, [(x, snn(x))]).operations
    whole = snn.clocked_plan.graph["input.whole"].tensors["weight"]
    assert float(whole.log2()) % 1 != 0
    assert found["input.whole"].multiplications == int((x != 0).sum())


def test_pruned_weights_cost_nothing():
    layer = nn.Linear(6, 5)
    layer.weight.data[:, 2] = 0
    layer.weight.data[3] = 0
    snn = convert(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), layer).eval(), [torch.randn(20, 4)], progress=False)
    node = snn.graph["2"]
    assert fan_out(snn.graph, node).tolist() == [4, 4, 0, 4, 4, 4]
    assert fan_out(snn.graph, node, dense=True).tolist() == [5] * 6


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.AvgPool2d(3, 2, 1), (2, 7, 6)),
        (nn.AvgPool2d(2, 3), (2, 8, 8)),
        (nn.AvgPool1d(3, 2, 1, count_include_pad=False), (2, 9)),
        (nn.AdaptiveAvgPool2d((3, 2)), (2, 7, 5)),
        (nn.MaxPool2d(3, 2, 1, dilation=2), (2, 9, 8)),
        (nn.Upsample(scale_factor=2.5, mode="bilinear"), (2, 4, 6)),
        (nn.Upsample(scale_factor=2, mode="bicubic"), (2, 5, 5)),
        (nn.Upsample(scale_factor=2, mode="nearest"), (2, 5, 4)),
    ],
)
def test_fan_out_of_pooling_and_upsampling(module, shape):
    torch.manual_seed(0)
    model = nn.Sequential(nn.ReLU(), module, nn.Flatten(), nn.LazyLinear(3)).eval()
    model(torch.rand(1, *shape))
    snn = convert(model.double(), [torch.rand(4, *shape).double()], progress=False)
    node = next(node for node in snn.graph.nodes if "pool" in node.operator or "upsample" in node.operator)
    assert fan_out(snn.graph, node).flatten().tolist() == coefficients(snn.graph, node, 0)


def test_operations_are_counted_where_gradients_are_off():
    snn, _ = converted("conv2d")
    with torch.inference_mode():
        inside = Account(snn.graph).sites
    wanted = Account(snn.graph).sites
    assert [site.dense for site in inside] == [site.dense for site in wanted]
    assert [site.additions.tolist() for site in inside] == [site.additions.tolist() for site in wanted]


def test_attention_multiplies_at_every_digit():
    attention, shape = build("attention")
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), attention.float())
    snn = convert(model.eval(), [torch.randn(4, *shape)], code=CSS(steps=4), progress=False)
    (unit,) = [n for n in snn.graph.nodes if "scaled_dot_product" in n.operator]
    heads, length, width = 2, 5, 4
    products = 2 * heads * length * length * width
    assert Account(snn.graph, 4, spiking=True).functions[unit.name] == 4 * (products + heads * length * width)


@pytest.mark.parametrize("dtype", [torch.int8, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(300, 3, 4), (5, 7, 2, 3, 4), (2, 0, 4), (1, 1, 1)])
@pytest.mark.parametrize("least", [0, -3])
def test_spikes_are_counted_one_by_one(dtype, shape, least):
    spikes = torch.randint(least, 4, shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    found, whole = counted(spikes), spikes.long().flatten(2)
    assert found.positive.tolist() == [sum(n > 0 for n in step.flatten().tolist()) for step in whole]
    assert found.negative.tolist() == [sum(n < 0 for n in step.flatten().tolist()) for step in whole]
    assert found.silent == int((whole == 0).all(0).sum())
    assert torch.equal(found.units, spikes.long().abs().sum((0, 1)))


@pytest.mark.parametrize("dtype", [torch.int8, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 5), (64, 2, 7, 5), (7, 1025), (2, 4096), (1, 0), (5, 3, 33, 33)])
@pytest.mark.parametrize("last", [True, False])
def test_what_is_not_zero_is_counted_as_it_lies(dtype, shape, last):
    values = torch.randint(-1, 2, shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    if last and values.dim() == 4:
        values = values.contiguous(memory_format=torch.channels_last)
    assert np.array_equal(occurrences(values).double().numpy(), np.count_nonzero(values.double().numpy(), axis=0))


def test_neither_signed_zeros_nor_views_are_counted_wrongly():
    values = torch.tensor([[0.0, -0.0, 1e-45, torch.nan], [torch.inf, -0.0, 0.0, -2.0]])
    assert occurrences(values).tolist() == [1, 0, 1, 2]
    assert occurrences(values[:, ::2]).tolist() == [1, 1]
    assert occurrences(values.T).tolist() == [2, 2]


class Idle(nn.Module):
    """A sum on its way through a padding into a membrane."""

    def __init__(self, amounts):
        super().__init__()
        self.a, self.b, self.c, self.amounts = conv(3, 4), conv(3, 4), conv(4, 2), amounts

    def forward(self, x):
        return self.c(pad(self.a(x.relu()) + self.b(x.relu()), self.amounts).relu())


def test_nodes_that_change_nothing_before_a_membrane_cost_nothing():
    torch.manual_seed(0)
    model, x = Idle((0, 0, 0, 0)).eval(), torch.randn(4, 3, 5, 5)
    snn = convert(model, [x], code=CSS(2, 0, 16.0, levels=127), progress=False).to_precision("int8")
    scale = next(node for node in snn.clocked_plan.graph.nodes if node.name == "relu_3.scale")
    assert bool((scale.tensors["weight"] == 1).all())
    assert not {"add", "relu_3.scale"} & {
        site.node.name for site in Account(without_idle(snn.clocked_plan.graph), 2, spiking=True).sites
    }
    assert evaluate(snn, [x], progress=False).samples == 4


@pytest.mark.parametrize("name", ["shared by two", "stack", "several outputs", "smallest", "assignment, decoded"])
@pytest.mark.parametrize("code", [CSS(4, 1), CSS(2, 0, 16.0, levels=127)], ids=["ternary", "levels"])
def test_scales_of_one_in_whole_numbers_are_passed_over(name, code):
    model, x = given(name)
    snn = convert(model, [x], code=code, progress=False).to_precision("int8")
    account = Account(without_idle(snn.clocked_plan.graph), None, spiking=True)
    assert account.watched <= {node.name for node in snn.layerwise_plan.graph.nodes}
    seen = seen_of(snn.graph.inputs, [x.float()])
    observe = firing_counter(seen, account, snn.layerwise_plan.codes)
    at_once(snn.layerwise_plan, [x.float()], observe)
    assert seen.operations(account, SAMPLES)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_what_is_not_finite_is_found_among_numbers_of_any_size(kind):
    largest = torch.finfo(kind).max
    for numbers in ([0.0, 1.0], [largest, largest, largest], [-largest, largest], []):
        assert all_finite(torch.tensor(numbers, dtype=kind))
    for numbers in ([float("inf"), -float("inf")], [float("nan"), 1.0], [largest, largest, -float("inf")]):
        assert not all_finite(torch.tensor(numbers, dtype=kind))


def test_whole_numbers_are_finite():
    assert all_finite(torch.tensor([2**31 - 1] * 3, dtype=torch.int32))
    assert all_finite(torch.tensor([True, False]))


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        ("aten.permute.default", {"dims": [2, 0, 1]}),
        ("aten.permute.default", {"dims": [-1, -3, 1]}),
        ("aten.select.int", {"dim": 0, "index": 1}),
        ("aten.select.int", {"dim": -1, "index": -2}),
        ("aten.flip.default", {"dims": [0, 2]}),
    ],
)
def test_what_acts_on_samples_by_themselves_moves_each_of_a_batch(operator, arguments):
    node = Node("moved", "structure", operator, ("x",), (), {"self": Slot(0), **arguments}, alone=True)
    samples = torch.rand(5, 2, 3, 4)
    wanted = torch.stack([operator_of(node)(sample, **arguments) for sample in samples])
    assert torch.equal(apply(node, [samples], len(samples)), wanted)
