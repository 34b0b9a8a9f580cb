"""Batches as people give them: tensors, tuples, nested tuples and dicts; and calls by place and by name."""

from collections import UserDict

import numpy as np
import pytest
import torch
from torch import nn

from canonic import CanonicError, DataError, explain
from canonic.conversion import convert
from canonic.frontend.arguments import arguments
from canonic.network.batch import Batch, parted, require_batches
from canonic.network.inputs import called

X = torch.rand(8, 4)


class Two(nn.Module):
    """Two inputs that cannot be told apart by their shapes, and an option that is none."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, words=None, scale=1.0, mask=None, labels=None):
        assert labels is None
        return {"logits": self.out(torch.relu(self.a(words) - scale * self.b(mask)))}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Two().eval()


@pytest.fixture(scope="module")
def given():
    torch.manual_seed(1)
    return {"mask": torch.rand(16, 4), "words": torch.rand(16, 4), "idx": torch.arange(16), "labels": torch.ones(16)}


@pytest.fixture(scope="module")
def snn(model, given):
    return convert(model, [UserDict(given)], progress=False)


def test_a_dict_is_matched_by_the_names_of_forward_in_its_order(snn, model, given):
    assert snn.graph.inputs == ("words", "mask")
    wanted = model(words=given["words"], mask=given["mask"])["logits"]
    assert torch.allclose(snn.source(given)["logits"], wanted, atol=1e-6)
    assert snn.record["notes"] == [
        "the batches hold idx, which the model was not given: its inputs are words, mask",
    ]


def test_a_network_is_called_as_its_model_was(snn, given):
    words, mask = given["words"], given["mask"]
    wanted = snn(words, mask)["logits"]
    for found in (snn(given), snn(words=words, mask=mask, labels=given["labels"]), snn(words, mask=mask)):
        assert torch.equal(found["logits"], wanted)
    assert torch.equal(snn.readout(given)["logits"][-1], wanted)
    assert torch.equal(snn.trace(given)["relu"].spikes, snn.trace(words, mask)["relu"].spikes)
    assert torch.equal(snn.answer(given, stop_when=1.0).steps, snn.answer(words, mask, stop_when=1.0).steps)


@pytest.mark.parametrize(
    "form",
    [
        lambda words, mask: (words, mask),
        lambda words, mask: [words, mask, torch.ones(16)],
        lambda words, mask: ((words, mask), torch.ones(16)),
        lambda words, mask: ([words, mask],),
        lambda words, mask: {"words": words, "mask": mask},
        lambda words, mask: ({"words": words, "mask": mask}, torch.ones(16)),
    ],
)
def test_the_same_batch_in_other_forms(snn, given, form):
    other = snn.verify([form(given["words"], given["mask"])], progress=False)
    assert other == snn.verify([given], progress=False)


def test_labels_follow_the_inputs_or_have_a_key():
    assert parted((1, 2, 3), ["a", "b"], "it") == Batch((1, 2), 3)
    assert parted({"a": 1, "label": 2}, ["a"], "it") == Batch((1,), 2)
    assert parted({"y": 1, "x": 2}, ["x", "y"], "it") == Batch((2, 1))
    assert parted(({"a": 1}, 2), ["a"], "it") == Batch((1,), 2)


def test_what_a_model_needs_is_an_input_though_it_is_called_y():
    class Sum(nn.Module):
        def forward(self, x, y):
            return x + y

    found = arguments(Sum(), {"y": X, "x": X + 1, "label": X}, "it")
    assert list(found) == ["x", "y"]
    assert torch.equal(found["x"], X + 1)


def test_a_model_of_any_names_takes_all_but_labels():
    class Wrapper(nn.Module):
        def forward(self, *args, **kwargs):
            return kwargs["a"] + kwargs["b"]

    assert list(arguments(Wrapper(), {"b": X, "a": X, "labels": X}, "it")) == ["b", "a"]


def test_a_model_is_explained_by_name(model, given):
    assert explain(model, {name: given[name] for name in ("words", "mask")}).populations == 1


PLAIN = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
MISFITS = [
    ([{"x": X}], "is a dict with the keys x, and lacks the input input of the network"),
    ([X.numpy()], r"must be a tensor, a tuple or a dict of tensors, got a numpy array float32 \[8, 4\]: .*from_numpy"),
    ([(X.numpy(), 0)], r"input 0 of the model .* got a numpy array float32 \[8, 4\]: pass a tensor, torch.from_numpy"),
    ([{"input": X.tolist()}], r"input input of the model .* got a list of 8 lists: make a tensor .* torch.tensor"),
    ([([X[0], X[1]], 0)], r"got a list of 2 Tensors: make one tensor of the samples, torch.stack\(x\)"),
    ([("text", 0)], r"input 0 of the model .* got str: pass tensors"),
    (X.numpy(), r"got a numpy array float32 \[8, 4\]: pass \[torch.from_numpy\(x\)\], or a DataLoader"),
    (
        (X, torch.zeros(len(X), dtype=torch.int64)),
        r"must be an iterable of batches, got one, \(x, y\): pass \[\(x, y\)\]",
    ),
    ({"input": X}, r"must be an iterable of batches, got a dict with the keys input: pass \[x\], or a DataLoader"),
    ([()], "the first batch of the calibration data holds 0 inputs, the model takes 1: input"),
    ([X, (np.zeros((8, 4)),)], r"calibration batch 1: input input .* got a numpy array float64 \[8, 4\]: .*from_numpy"),
    ([X, {"inputs": X}], r"calibration batch 1 is a dict .*lacks the input input .*did you mean inputs\?"),
]


@pytest.mark.parametrize(("batches", "message"), MISFITS, ids=[m for _, m in MISFITS])
def test_batches_that_do_not_fit(batches, message):
    with pytest.raises(CanonicError, match=message):
        convert(PLAIN, batches, progress=False)


def test_a_data_set_of_samples_holds_no_batches():
    with pytest.raises(DataError, match=r"got TensorDataset: pass DataLoader\(data, batch_size=100\)"):
        require_batches(torch.utils.data.TensorDataset(X), "the data")


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((), {"words": X}, "what the call names is a dict with the keys words, and lacks the input mask"),
        ((X,), {"words": X}, "the call takes no words: known are mask"),
        ((X, X), {"schduler": "clocked"}, "the call takes no schduler: known are none"),
        (({"words": X, "masks": X},), {}, r"the input of the call .* lacks the input mask .*did you mean masks\?"),
        ((X,), {}, r"the network takes 2 inputs \(words, mask\), got 1"),
        (([X, X],), {"mask": X}, "input words must be a tensor .* got a list of 2 Tensors: .*torch.stack"),
    ],
)
def test_calls_that_do_not_fit(snn, arguments, named, message):
    with pytest.raises(DataError, match=message):
        called(snn.graph, arguments, named)
