"""Function units of a network of whole numbers: computed in floats and rounded, the same in all schedulers."""

import pytest
import torch
from examples.transformer import VisionTransformer
from torch import nn

from canonic import CSS, convert
from canonic.codes import named
from canonic.errors import ExportError
from canonic.export.integers.lower import to_integer_network
from canonic.network.functions import FINEST, LARGEST_DIGIT
from tests.lambdas import Lambda, conv
from tests.networks import build
from tests.test_whole_numbers import examine

KINDS = """layer norm/tanh/gelu/softmax/class token/attention with a float mask/transformer layer/instance norm
max pooling before relu/clamp both/activation on spikes/reciprocal""".replace("\n", "/")


@pytest.mark.parametrize("name", KINDS.split("/"))
def test_they_lose_no_more_than_eight_bits_must(name):
    torch.manual_seed(0)
    model, shape = build(name)
    x, y = (torch.randn(64, *shape, dtype=torch.float64) for _ in range(2))
    examine(model, x, y)


@pytest.mark.parametrize("code", [CSS(6, 1), CSS(3, 0, 4.0, levels=8), named("signed-rate", steps=8)], ids=str)
def test_a_transformer_with_a_class_token_is_the_same_in_both_schedulers(code):
    torch.manual_seed(0)
    model = VisionTransformer(width=16, depth=2, heads=2, hidden=24).eval()
    nn.init.normal_(model.token)
    x = torch.randn(24, 1, 28, 28)
    snn = convert(model, [x], code=code, progress=False)
    whole = snn.to_precision("int8")
    both = [whole(x, scheduler=scheduler) for scheduler in ("layerwise", "clocked")]
    assert torch.allclose(*both, rtol=0, atol=1e-5)
    assert torch.allclose(whole(x[:5]), both[0][:5], rtol=0, atol=1e-6)
    floats = model(x)
    assert (both[0] - floats).square().mean() < 4 * (snn(x) - floats).square().mean() + 0.02 * floats.var()


@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_numbers_are_as_fine_as_the_threshold_behind_and_end_where_sums_do(factor):
    torch.manual_seed(0)
    model, x = (
        Lambda(lambda m, x: m.c((factor * m.a(x).tanh()).relu()), a=conv(3, 4), c=conv(4, 2)),
        torch.randn(9, 3, 5, 5),
    )
    nodes = {n.name: n for n in convert(model, [x], code=CSS(8, 1)).to_precision("int8").clocked_plan.graph.nodes}
    scale, held, relu = (nodes[name] for name in ("tanh.whole", "tanh.held", "relu"))
    assert scale.rounds
    assert float(scale.tensors["weight"].log2() % 1) == 0
    assert held.arguments["max"] == -held.arguments["min"] == LARGEST_DIGIT
    assert FINEST / 4 <= float(relu.tensors["threshold"].median()) <= 4 * FINEST


def test_an_integer_file_names_those_that_it_does_not_hold():
    model = nn.Sequential(nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 2))
    snn = convert(model, [torch.rand(8, 5)], code=CSS(8, 1), progress=False)
    with pytest.raises(ExportError, match=r"no node for 1 \(aten.gelu.default\)"):
        to_integer_network(snn)
