"""Whole numbers, masks, several inputs, and outputs in the forms that models return."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from canonic import CSS, ConversionError, DataError, Settings, explain, load
from canonic.conversion import convert
from tests.lambdas import Lambda

EXACT = CSS(steps=14, silent=14)


class Text(nn.Module):
    """Words and their places, looked up; attention over the words that the mask names; one answer."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(20, 8), nn.Embedding(6, 8)
        self.attention, self.out = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)
        self.register_buffer("order", torch.arange(6))

    def forward(self, words, mask):
        x = self.words(words) + self.places(self.order)
        y, _ = self.attention(x, x, x, key_padding_mask=mask == 0, need_weights=False)
        weights = mask.unsqueeze(2).to(x.dtype)
        return self.out((y * weights).sum(1) / weights.sum(1))


def words():
    torch.manual_seed(0)
    mask = torch.ones(8, 6, dtype=torch.int64)
    mask[::2, 4:] = 0
    return torch.randint(0, 20, (8, 6)), mask


@pytest.fixture
def text():
    torch.manual_seed(0)
    return Text().double().eval()


def test_words_and_a_mask(text):
    given = words()
    snn = convert(text, [given], code=EXACT, settings=Settings(threshold="max", correct=False))
    assert torch.allclose(snn.source(*given), text(*given), rtol=1e-9)
    assert (snn(*given) - text(*given)).abs().max() < 1e-3
    layerwise, clocked = snn.readout(*given), snn.readout(*given, scheduler="clocked")
    assert torch.allclose(layerwise, clocked, atol=1e-9)


def test_what_the_mask_hides_changes_nothing(text):
    given, mask = words()
    snn = convert(text, [(given, mask)])
    assert torch.equal(snn(torch.where(mask == 1, given, 0), mask), snn(torch.where(mask == 1, given, 7), mask))


def test_a_network_of_words_is_saved_and_loaded(text, tmp_path):
    snn = convert(text, [words()])
    snn.save(tmp_path / "text.safetensors")
    assert torch.equal(load(tmp_path / "text.safetensors")(*words()), snn(*words()))


def test_words_that_no_table_holds(text):
    snn = convert(text, [words()])
    with pytest.raises(
        DataError, match="holds whole numbers from 0 to 20, but the table words_2 has 20 vectors: use the"
    ):
        snn(torch.arange(48).view(8, 6) % 21, words()[1])


def test_words_that_are_not_whole(text):
    given, mask = words()
    snn = convert(text, [(given, mask)])
    with pytest.raises(
        DataError, match="input words must be torch.int64, as in the model's example, got torch.float32"
    ):
        snn(given.float(), mask)


@pytest.mark.parametrize(
    "numbers",
    [
        lambda x: x.float() / 255,
        lambda x: x.to(torch.float32),
        lambda x: x / 255,
        lambda x: x.flip(1).float() * 0.01,
        lambda x: x.flip(1).float(),
        lambda x: x.reshape(-1, 2, 2).float().flatten(1) - 127,
    ],
)
def test_pictures_of_whole_numbers_that_the_model_converts(numbers):
    model = Lambda(lambda m, x: m.b(torch.relu(m.a(numbers(x)))), a=nn.Linear(4, 6), b=nn.Linear(6, 3)).eval()
    x = torch.randint(0, 256, (16, 4), dtype=torch.uint8)
    snn = convert(model, [x])
    assert torch.allclose(snn.source(x), model(x), atol=1e-5)
    assert (snn(x) - model(x)).norm() < 0.05 * model(x).norm()


def test_complex_inputs_are_refused():
    with pytest.raises(ConversionError, match="input 0 of the model must be a tensor .* of real numbers .*complex64"):
        explain(nn.Linear(4, 3), torch.zeros(2, 4, dtype=torch.complex64))


@dataclass
class Answer:
    """What a model may return."""

    logits: torch.Tensor
    features: torch.Tensor | None = None


torch.export.register_dataclass(Answer, serialized_type_name="tests.Answer")


def test_a_dataclass_is_returned_as_it_is(tmp_path):
    def forward(m, x):
        y = torch.relu(m.a(x))
        return Answer(m.b(y), y)

    model = Lambda(forward, a=nn.Linear(4, 6), b=nn.Linear(6, 3)).eval()
    x = torch.randn(8, 4)
    snn = convert(model, [x])
    answer = snn(x)
    assert isinstance(answer, Answer)
    assert answer.logits.shape == (8, 3)
    snn.save(tmp_path / "network.safetensors")
    assert torch.equal(load(tmp_path / "network.safetensors")(x).features, answer.features)


def test_outputs_of_no_size():
    model = Lambda(lambda m, x: (m.b(torch.relu(m.a(x))), m.a(x)[:, :0]), a=nn.Linear(4, 6), b=nn.Linear(6, 3)).eval()
    with pytest.raises(ConversionError, match=r"its result \[.*, 0\] is empty; take it out of the model"):
        convert(model, [torch.randn(8, 4)])


def test_shared_parameters():
    layer = nn.Linear(4, 4)
    model = nn.Sequential(layer, nn.ReLU(), layer, nn.GELU(), nn.Linear(4, 4))
    model[4].weight = layer.weight
    x = torch.randn(32, 4)
    snn = convert(model.eval(), [x])
    assert torch.allclose(snn.source(x), model(x), atol=1e-6)
    assert (snn(x) - model(x)).norm() < 0.05 * model(x).norm()


def test_a_model_without_weights_in_memory():
    with pytest.raises(
        ConversionError, match="the weights of the model are on the device meta, which holds no numbers"
    ):
        convert(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).to("meta"), [torch.randn(8, 4)])


class OwnFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def test_an_autograd_function_of_the_users():
    """Its forward is captured like any other code."""
    model = Lambda(lambda m, x: m.b(OwnFunction.apply(m.a(x))), a=nn.Linear(4, 6), b=nn.Linear(6, 3)).eval()
    x = torch.randn(32, 4)
    snn = convert(model, [x])
    assert torch.allclose(snn.source(x), model(x), atol=1e-6)
    assert len(snn.graph.populations) == 1
