"""Every operator of the table, in every spelling: the same function as the source, and close to it in spikes."""

from functools import cache

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

from canonic import CSS, Settings, convert
from canonic.frontend.functions import elementwise
from canonic.frontend.marks import PLACE
from canonic.frontend.table import TABLE
from tests.lambdas import Lambda
from tests.networks import CASES, exported

EXACT = CSS(steps=14, silent=14)
DIRECT, CODED = Settings(), Settings(input="css", bias="spread")
LARGEST = Settings(threshold="max", correct=False)


def schema(name):
    """The arguments of an operator that must be given."""
    _, operator, overload = name.split(".")
    arguments = getattr(getattr(torch.ops.aten, operator), overload)._schema.arguments
    return [a.name for a in arguments if not a.has_default_value()]


def leaves(tree):
    return pytree.tree_leaves(tree)


@cache
def converted(name, code, settings):
    _, program, x = exported(name)
    return convert(program, [x], code=code, settings=settings)


@pytest.mark.parametrize("name", CASES, scope="module")  # one network after the other: converted once
def test_the_graph_computes_what_the_model_computes(name):
    model, _, x = exported(name)
    snn = converted(name, EXACT, LARGEST)
    for ours, theirs in zip(leaves(snn.source(x)), leaves(model(x)), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", CASES, scope="module")  # one network after the other: converted once
def test_spikes_come_as_close_as_the_digits_allow(name):
    model, _, x = exported(name)
    snn = converted(name, EXACT, LARGEST)
    for ours, theirs in zip(leaves(snn(x)), leaves(model(x)), strict=True):
        assert (ours - theirs).abs().max() <= 3e-3 * theirs.abs().max()


@pytest.mark.parametrize("name", CASES, scope="module")  # one network after the other: converted once
@pytest.mark.parametrize("given", [DIRECT, CODED], ids=["direct", "css"])
def test_both_schedulers_give_the_same_readout_at_every_step(name, given):
    _, _, x = exported(name)
    snn = converted(name, CSS(steps=6, silent=1), given)
    layerwise, clocked = snn.readout(x), snn.readout(x, scheduler="clocked")
    for a, b in zip(leaves(layerwise), leaves(clocked), strict=True):
        assert a.shape == (snn.total_steps, *b.shape[1:])
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", CASES, scope="module")  # one network after the other: converted once
def test_spikes_are_exactly_ternary_and_the_output_has_the_form_of_the_models(name):
    model, _, x = exported(name)
    snn = converted(name, CSS(steps=6, silent=1), DIRECT)
    for trace in snn.trace(x).values():
        assert set(trace.spikes.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert pytree.tree_structure(snn(x)) == pytree.tree_structure(model(x))


def test_the_networks_above_use_every_rule_that_export_can_reach():
    """What is left needs a program that somebody else has decomposed, or is an alias of what is tested."""
    used = set()
    for name in CASES:
        used |= {str(node.target) for node in exported(name)[1].graph.nodes}
    rules = {TABLE[operator] for operator in used if operator in TABLE}
    untested = {operator for operator, rule in TABLE.items() if rule not in rules}
    assert untested <= {
        "aten.addmm.default",
        "aten.to.dtype",
        "aten.to.dtype_layout",
        "aten._to_copy.default",
        "aten.embedding.default",  # in tests/test_inputs.py: whole numbers
        PLACE,  # in tests/test_as_network.py
        *(f"aten.{n}.default" for n in ("alias", "clone", "contiguous", "detach", "lift_fresh_copy", "dropout")),
        *(f"aten.{n}.default" for n in ("feature_dropout", "alpha_dropout", "feature_alpha_dropout")),
    }


UNARY = sorted(
    name
    for name, rule in TABLE.items()
    if rule is elementwise and len(schema(name)) == 1 and name.endswith(".default") and "clamp" not in name
)


@pytest.mark.parametrize("name", UNARY)
def test_every_function_of_one_stream_is_the_function_of_torch(name):
    """The function unit of each elementwise operator, alone between two linear maps, against the operator itself."""
    operator = getattr(torch.ops.aten, name.split(".")[1])
    torch.manual_seed(0)
    positive = any(word in name for word in ("log", "sqrt", "reciprocal")) and "sigmoid" not in name
    model = Lambda(
        lambda m, x: m.b(operator(m.a(x).abs() + 0.5 if positive else m.a(x))), a=nn.Linear(5, 6), b=nn.Linear(6, 3)
    ).double()
    x = torch.randn(8, 5, dtype=torch.float64)
    snn = convert(model, [x], code=EXACT, settings=LARGEST)
    assert [n.operator for n in snn.graph.nodes if n.kind == "function unit"][-1] == name
    assert torch.allclose(snn.source(x), model(x), rtol=1e-10, atol=1e-12)
    assert (snn(x) - model(x)).abs().max() <= 3e-3 * model(x).abs().max()
