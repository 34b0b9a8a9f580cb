"""A convolution and its population as one program: the same spikes as step by step, whatever the shape and the numbers."""

import os
import shutil
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import conv2d, pad

from canonic import CSS
from canonic.measure.tally import counted
from canonic.native import build
from canonic.network import convolution, products
from canonic.network.convolution import convolved, takes
from canonic.network.graph import Neurons, Node, Population
from canonic.network.population import ceiling_of
from canonic.network.products import prepared
from canonic.neurons import lengthen, scan

pytestmark = pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc")), reason="no C compiler: C is not tested")

KINDS = {"float": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}


def population(weight, bias, geometry, shape, vectors=None, signed=False, unit=None, margins=None):
    """A population behind a convolution, as the layerwise scheduler has it."""
    tensors = {"weight": weight, **({} if bias is None else {"bias": bias.reshape(-1, 1, 1)})}
    if unit is not None:
        tensors |= {"unit": unit, "packed": weight}
    if margins is not None:
        tensors |= {"margins": torch.tensor(margins)}
    synapse = Node("c", "synapse", "aten.conv2d.default", ("x",), shape, geometry, tensors, "weighs")
    inputs = ("x", *(f"y{i}" for i in range(3)))
    ceiling = 6.0 if "theta" in (vectors or {}) else None
    return Population("p", inputs, shape, {}, vectors or {}, neurons=Neurons(signed, ceiling)), synapse


@st.composite
def ternary(draw, most_steps):
    steps = draw(st.integers(1, most_steps))
    return CSS(steps, draw(st.integers(0, min(2, steps - 1))), phi=draw(st.sampled_from([0.5, 0.625])))


@st.composite
def graded(draw):
    """Whole radices and several levels, whose first digits add up to what 8 bits hold, and to more."""
    beta, levels = draw(st.sampled_from([(2.0, 8), (4.0, 3), (4.0, 16), (16.0, 64), (128.0, 127)]))
    steps = draw(st.integers(1, 4))
    most = 0 if beta > 16 else min(1, steps - 1)  # whole membranes would saturate, which fusion.py looks for
    return CSS(steps, draw(st.integers(0, most)), beta, levels=levels)


@st.composite
def cases(draw, most_steps=6, most_outputs=48, kinds=tuple(KINDS), depthwise=False):
    """A code, and numbers whose sums are exact in float32; some rows are wider than what is computed at once."""
    code = draw(st.one_of(ternary(most_steps), graded()))
    steps, levels = code.steps, code.levels
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    kind = draw(st.sampled_from(kinds))
    channels = draw(st.sampled_from([1, 3, 4, 8, 20]))
    outputs = draw(st.sampled_from([n for n in (1, 5, 16, 32, 40, 48) if n <= most_outputs]))
    apart = depthwise and kind == "int8"
    channels = outputs if apart else channels
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride, dilation = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    padding = [draw(st.integers(0, (k - 1) * dilation)) for k in kernel]
    more = draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 3, 4, 19, 37]))
    size = [(k - 1) * dilation + n for k, n in zip(kernel, more, strict=True)]
    batch = draw(st.integers(1, 3))

    def numbers(low, high, *shape):
        return torch.randint(low, high + 1, shape, generator=generator).float()

    fires = numbers(0, 3, 1, batch, channels, *size) > 1
    spikes = numbers(-levels, levels, steps, batch, channels, *size) * fires
    unit = numbers(0, 2, outputs).exp2() if kind == "int8" else None
    largest = 2 if apart and levels > 1 else 127  # sums of depthwise convolutions have 16 bits
    weight = numbers(-largest, largest, outputs, 1 if apart else channels, *kernel) * (
        1 if unit is None else unit.reshape(-1, 1, 1, 1)
    )
    geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels if apart else 1}
    bias = numbers(-300, 300, outputs) if draw(st.booleans()) else None
    margins = draw(st.none() | st.lists(st.integers(0, 2), min_size=4, max_size=4))
    left, right, top, bottom = margins or (0, 0, 0, 0)
    sizes = zip(size, padding, kernel, (top + bottom, left + right), strict=True)
    shape = (outputs, *((n + m + 2 * p - (k - 1) * dilation - 1) // stride + 1 for n, p, k, m in sizes))
    others = [numbers(-50, 50, draw(st.integers(1, steps)), batch, *shape)] if draw(st.booleans()) else []
    vectors = {"threshold": numbers(200, 900, outputs, 1, 1)}
    if draw(st.booleans()):
        others.append(numbers(-1, 1, steps, batch, *shape).to(draw(st.sampled_from(list(KINDS.values())))))
        vectors[f"scale {len(others)}"] = numbers(-90, 90, outputs, 1, 1)
    if draw(st.booleans()):
        vectors["start"] = numbers(-90, 90, outputs, 1, 1)
    signed = draw(st.booleans())
    if not signed and draw(st.booleans()):
        vectors["theta"] = numbers(1, 12, outputs, 1, 1) / 4  # of a ceiling of 6
    # Nodes are made outside: checked types draw random numbers of their own.
    reads = draw(st.sampled_from([torch.int8, KINDS[kind]]))
    return code, KINDS[kind], reads, spikes, others, (weight, bias, geometry, shape, vectors, signed, unit, margins)


def by_steps(code, spikes, others, node, synapse):
    """The currents of each step by themselves, in float64, and the neurons as tsa.py has them."""
    weight, bias = synapse.tensors["weight"].double(), synapse.tensors.get("bias")
    stride, padding, dilation, groups = (synapse.arguments[n] for n in ("stride", "padding", "dilation", "groups"))
    read = [pad(s.double(), synapse.tensors["margins"].tolist()) if "margins" in synapse.tensors else s for s in spikes]
    current = torch.stack([conv2d(s.double(), weight, None, stride, padding, dilation, groups) for s in read])
    if bias is not None:
        current[0] += bias
    for index, other in enumerate(others, 1):
        current += lengthen(other.double() * node.tensors.get(f"scale {index}", torch.ones(())), code.steps)
    start, theta, ceiling = node.tensors.get("start"), node.tensors["threshold"].double(), ceiling_of(node, code)
    return scan(code, current, signed=node.neurons.signed, start=start, theta=theta, ceiling=ceiling)


def check(case):
    code, dtype, reads, spikes, others, given = case
    node, synapse = population(*given)
    assert takes(synapse, code)
    weight = synapse.tensors["weight"]
    lowered = synapse.with_tensors(weight=weight.bfloat16()) if dtype == torch.bfloat16 else synapse
    laid = [x.movedim(2, -1).contiguous().movedim(-1, 2) for x in (spikes.to(reads), *others)]
    ours = convolved(node, prepared(lowered, code, code.levels), laid, code, dtype, {}, counted=True)
    wanted = by_steps(code, spikes, others, node, lowered)
    assert ours.spikes.dtype == dtype
    assert torch.equal(ours.spikes.double(), wanted.spikes)
    assert torch.equal(ours.overloads, wanted.overloads)
    tallied = counted(wanted.spikes)
    assert torch.equal(ours.fired.positive, tallied.positive)
    assert torch.equal(ours.fired.negative, tallied.negative)
    assert ours.fired.silent == tallied.silent
    assert torch.equal(ours.fired.units.long(), tallied.units)


@settings(max_examples=24)  # each compiles a program of its own
@given(cases())
def test_it_fires_as_step_by_step(case):
    check(case)


@settings(max_examples=5)
@given(case=cases(most_steps=3, kinds=("int8",)))
def test_it_fires_as_step_by_step_without_tiles(case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_allowed", lambda: False)
        convolution._source.cache_clear()
        check(case)
    convolution._source.cache_clear()


def few_digits(case):
    """Whether 16 bits hold what a depthwise program adds up."""
    code = case[0]
    return products._unfit(code, code.levels) is None


@pytest.mark.skipif(
    not products.FEATURES[2] <= set(build.features().split()), reason="the processor has no AVX-512 VNNI"
)
@settings(max_examples=12)
@given(cases(most_steps=4, kinds=("int8",), depthwise=True).filter(few_digits))
def test_depthwise_convolutions_fire_as_step_by_step(case):
    synapse = population(*case[-1])[1]
    if products.depthwise(synapse):
        assert products.kind_of(synapse, case[0], case[0].levels) == products.DEPTHWISE
    check(case)


def test_dense_products_are_for_many_levels_few_outputs_and_tiles():
    few, many = (
        Node("c", "synapse", "", ("x",), (), {}, {"weight": torch.ones(n, 4, 3, 3), "unit": torch.ones(n)})
        for n in (products.NARROW, products.NARROW + 1)
    )
    floats = plain().with_tensors(weight=torch.ones(8, 4, 3, 3, dtype=torch.bfloat16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "features", lambda: " ".join(set().union(*products.FEATURES, products.TILES)))
        patch.setattr(products, "_allowed", lambda: True)
        assert products.kind_of(many, CSS(8, 1), 1) == products.DENSE
        assert products.kind_of(floats, CSS(8, 1), 1) == products.HALF
        patch.setattr(products, "_allowed", lambda: False)
        assert [products.kind_of(node, CSS(8, 1), 1) for node in (few, many, floats)] == [products.DENSE, 2, 1]
        assert products.kind_of(many, CSS(4, 0, 4.0, levels=16), 16) == products.DENSE
        patch.setattr(products, "features", lambda: "none")
        assert products.kind_of(few, CSS(8, 1), 1) == 0


@settings(max_examples=6)
@given(case=cases(most_steps=3, most_outputs=32))
def test_it_fires_as_step_by_step_on_any_processor(case):
    """Without -march=native and what this machine's processor adds, vectors are several registers.

    So are the sums of a tile, and compiling many of them takes long: the compiler does less here.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "CHOICES", (("-fopenmp", "-O1"),))
        patch.setattr(build, "features", lambda: "none")
        patch.setattr(products, "features", lambda: "none")
        build.program.cache_clear()
        convolution._source.cache_clear()
        check(case)
    build.program.cache_clear()
    convolution._source.cache_clear()


@settings(max_examples=8)
@given(cases(most_steps=3), st.integers(1, 3), st.sampled_from([1, 2000, 10**6]))
def test_threads_and_small_caches_change_nothing(case, threads, scratch):
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "SCRATCH", scratch)
        torch.set_num_threads(threads)
        try:
            check(case)
        finally:
            torch.set_num_threads(before)


def plain(**changed):
    weight = torch.ones(8, 4, 3, 3)
    geometry = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1, **changed}
    return population(weight, None, geometry, (8, 5, 5))[1]


@pytest.mark.parametrize(
    ("synapse", "code"),
    [
        (plain(groups=2), CSS(4, 1)),
        (replace(plain(), operator="aten.conv1d.default"), CSS(4, 1)),
        (plain().with_tensors(bias=torch.ones(8, 5, 5)), CSS(4, 1)),
        (plain(), CSS(2, 2)),
        (plain(), CSS(4, 1, levels=2, powers=True)),
    ],
    ids=["groups", "another operator", "a bias for each place", "nothing fires", "powers of two"],
)
def test_what_it_does_not_take(synapse, code):
    assert takes(plain(), CSS(4, 1))
    assert not takes(synapse, code)


def test_a_stream_that_is_not_of_all_steps_is_left_to_others():
    node, synapse = population(torch.ones(8, 4, 3, 3), None, {"padding": 1}, (8, 5, 5))
    ready, stream = prepared(synapse, CSS(4, 1), 1), torch.ones(1, 2, 4, 5, 5)
    assert convolved(node, ready, [stream], CSS(4, 1), torch.float32, {}, counted=False) is None


def test_calls_of_one_kind_are_prepared_once_and_no_other_is_mistaken_for_it():
    node, synapse = population(torch.randn(8, 4, 3, 3), None, {"padding": 1}, (8, 5, 5))
    code, calls = CSS(4, 1), {}
    ready = prepared(synapse, code, 1)
    small, large = ((torch.rand(4, batch, 4, 5, 5) > 0.5).float() for batch in (1, 3))
    seen = []
    for stream, tallied in [
        (small, False),
        (large, False),
        (large, True),
        (large.to(torch.int8), True),
        (small, False),
    ]:
        ours = convolved(node, ready, [stream], code, torch.float32, calls, counted=tallied)
        alone = convolved(node, ready, [stream], code, torch.float32, {}, counted=tallied)
        assert torch.equal(ours.spikes, alone.spikes)
        assert (ours.fired is not None) == tallied
        seen.append(calls[node.name][1])
    convolved(node, ready, [small], code, torch.float32, calls, counted=False)
    assert calls[node.name][1] is seen[-1]
    assert len({id(call) for call in seen}) == len(seen)
