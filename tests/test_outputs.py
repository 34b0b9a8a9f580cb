"""Networks with several outputs, in every form that models return, and outputs of every rank."""

import json
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from canonic import CSS, ConversionError, DataError, evaluate, load
from canonic.conversion import convert
from canonic.network.graph import Graph, Node
from canonic.network.outputs import output_called, output_names
from tests.lambdas import Lambda, conv


def outputs(tree):
    """Return the graph of a network that returns this tree of anything."""
    from torch.utils import _pytree as pytree

    leaves, form = pytree.tree_flatten(tree)
    names = tuple(f"node{place}" for place in range(len(leaves)))
    nodes = tuple(Node(name, "structure", "", (), (3,)) for name in names)
    return Graph(nodes, (), names, pytree.treespec_dumps(form))


@dataclass
class Found:
    """What a detector may return."""

    scores: object
    boxes: object


torch.export.register_dataclass(Found, serialized_type_name="tests.Found")

FORMS = [
    (1, ("output",)),
    ((1,), ("0",)),
    ((1, [2, 3]), ("0", "1.0", "1.1")),
    ({"logits": 1, "boxes": [2, (3, 4)]}, ("logits", "boxes.0", "boxes.1.0", "boxes.1.1")),
    (Found(1, {"a": 2, 7: 3}), ("scores", "boxes.a", "boxes.7")),
]


@pytest.mark.parametrize(("tree", "names"), FORMS, ids=[str(n) for _, n in FORMS])
def test_an_output_is_called_by_its_path(tree, names):
    graph = outputs(tree)
    assert output_names(graph) == names
    for place, name in enumerate(names):
        assert output_called(graph, name) == place
        assert output_called(graph, name.split(".")) == place


def test_which_output_is_meant():
    assert output_called(outputs(1), None) == 0
    assert output_called(outputs([1]), None) == 0
    assert output_called(outputs((1, 2)), None) is None
    assert output_called(outputs({"aux": 1, "logits": 2}), None) == 1
    assert output_called(outputs({"aux": 1, "logits": 2}), 0) == 0
    assert output_called(outputs({"boxes": (1, 2)}), ("boxes", 1)) == 1
    assert output_called(outputs((3, (1, 2))), "1.1") == 2


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("logit", "the network has no output 'logit': did you mean logits?"),
        ("boxes", "the output 'boxes' holds several: choose one of boxes.0, boxes.1"),
        (5, "the network has no output '5': known are boxes.0, boxes.1, logits"),
        (-1, "the network has no output '-1'"),
    ],
)
def test_outputs_that_are_not_there(output, message):
    with pytest.raises(DataError, match=message):
        output_called(outputs({"logits": 1, "boxes": (2, 3)}), output)


def detect(m, x):
    features = torch.relu(m.a(x))
    scores = m.b(features)
    return {"boxes": [m.c(features), scores.flatten(1)], "scores": scores.mean((2, 3)), "sure": scores.mean((1, 2, 3))}


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(24, 1, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def detector(pictures):
    torch.manual_seed(0)
    model = Lambda(detect, a=conv(1, 4), b=nn.Conv2d(4, 3, 1), c=nn.Conv2d(4, 8, 3, 2)).eval()
    return convert(model, [pictures], code=CSS(steps=4), progress=False)


def ratio(found, wanted):
    return float(10 * (wanted.square().sum() / (found - wanted).square().sum()).log10())


def test_each_output_is_compared_with_that_of_the_source(detector, pictures):
    found = evaluate(detector, [pictures[:10], (pictures[10:],)], progress=False)
    assert (found.task, found.samples, found.chosen, found.counts.answers) == ("comparison", 24, None, None)
    ours, theirs = detector(pictures), detector.source(pictures)
    wanted = {
        "boxes.0": ratio(ours["boxes"][0], theirs["boxes"][0]),
        "boxes.1": ratio(ours["boxes"][1], theirs["boxes"][1]),
        "scores": ratio(ours["scores"], theirs["scores"]),
        "sure": ratio(ours["sure"], theirs["sure"]),
    }
    told = found.to_json()["outputs"]
    assert {name: output["snr_db"] for name, output in told.items()} == pytest.approx(wanted, abs=0.01)
    assert told["boxes.0"]["agreement"] is None
    assert told["sure"]["agreement"] is None
    same = float((ours["scores"].argmax(1) == theirs["scores"].argmax(1)).float().mean())
    assert told["scores"]["agreement"] == pytest.approx(same)
    assert found.output == min(wanted, key=wanted.get)
    assert found.to_json()["error"]["snr_db"] == told[found.output]["snr_db"]
    json.dumps(found.to_json(), allow_nan=False)


def test_labels_are_of_the_chosen_output(detector, pictures):
    y = torch.arange(24) % 3
    found = evaluate(detector, [(pictures, y)], output="scores", baselines=24, progress=False)
    assert found.accuracy == float((detector(pictures)["scores"].argmax(1) == y).double().mean())
    assert found.source_accuracy == float((detector.source(pictures)["scores"].argmax(1) == y).double().mean())
    assert len(found.baselines.rate.correct) == 64
    regression = evaluate(detector, [(pictures, torch.ones(24, 1))], output="sure", progress=False)
    wanted = float((detector(pictures)["sure"] - 1).square().mean())
    assert regression.to_json()["error"]["mse"] == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(
        DataError, match=r"the labels .* has 4 \(boxes.0, boxes.1, scores, sure\): say which, .*boxes.0"
    ):
        evaluate(detector, [(pictures, y)], progress=False)
    with pytest.raises(DataError, match="evaluations with different kinds of task cannot be merged"):
        found + regression


def test_early_answers_are_of_an_output(detector, pictures):
    found = detector.answer(pictures, stop_when=1e9, output="scores")
    assert torch.allclose(found.readout, detector(pictures)["scores"], atol=1e-6)
    with pytest.raises(DataError, match=r"an early answer needs one output of the network, which has 4 \(boxes.0, "):
        detector.answer(pictures, stop_when=1.0)
    with pytest.raises(DataError, match=r"of two classes or more, got \['batch'\] for sure"):
        detector.answer(pictures, stop_when=1.0, output="sure")


def test_a_verdict_names_outputs_as_the_model_does(detector, pictures):
    found = detector.verify([pictures], progress=False)
    assert list(found.outputs) == ["boxes.0", "boxes.1", "scores", "sure"]


def test_an_output_that_comes_early_has_its_own_first_step(pictures):
    def forward(m, x):
        early = torch.relu(m.a(x))
        return early, m.c(torch.relu(m.b(early)))

    model = Lambda(forward, a=conv(1, 2), b=conv(2, 2), c=conv(2, 1)).eval()
    snn = convert(model, [pictures], code=CSS(steps=3), progress=False)
    told = evaluate(snn, [pictures], progress=False).to_json()
    assert [told["outputs"][name]["first_answer"] for name in "01"] == [2, 3]
    assert told["outputs"]["0"]["snr_db_by_step"][0] is None
    assert told["outputs"]["0"]["snr_db_by_step"][1] is not None


RANKS = [
    (lambda m, x: m.b(torch.relu(m.a(x))).mean((1, 2, 3)), (), torch.rand(24)),
    (lambda m, x: m.b(torch.relu(m.a(x))).mean((1, 2, 3))[:, None], (1,), torch.rand(24)),
    (lambda m, x: m.b(torch.relu(m.a(x))).mean((2, 3)), (3,), torch.arange(24) % 3),
    (lambda m, x: m.b(torch.relu(m.a(x))), (3, 6, 6), torch.arange(24 * 36).view(24, 6, 6) % 3),
    (lambda m, x: m.b(torch.relu(m.a(x))).flatten(2).transpose(1, 2), (36, 3), torch.arange(24 * 36).view(24, 36) % 3),
]


@pytest.mark.parametrize(("forward", "shape", "y"), RANKS, ids=[str(s) for _, s, _ in RANKS])
def test_outputs_of_every_rank(forward, shape, y, pictures):
    snn = convert(Lambda(forward, a=conv(1, 4), b=nn.Conv2d(4, 3, 1)).eval(), [pictures], progress=False)
    found = evaluate(snn, [(pictures[:9], y[:9]), (pictures[9:], y[9:])], baselines=24, progress=False)
    ours, theirs = snn(pictures), snn.source(pictures)
    assert ours.shape == (24, *shape)
    told = found.to_json()
    if y.is_floating_point():
        assert told["error"]["mse"] == pytest.approx(float((ours - y.view(ours.shape)).square().mean()), rel=1e-4)
        assert told["accuracy"] is None
        return
    axis = 1 if shape[0] == 3 else -1
    assert found.accuracy == pytest.approx(float((ours.argmax(axis) == y).float().mean()))
    assert found.agreement == pytest.approx(float((ours.argmax(axis) == theirs.argmax(axis)).float().mean()))
    assert told["accuracy"]["labels"] == y.numel()
    assert (told["accuracy"]["flips"]["p"] is None) == (y.dim() > 1)


@pytest.fixture(scope="module")
def tokens():
    """A network that tells three classes for each of five places."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    return convert(model, [torch.rand(24, 5, 4)], code=CSS(steps=4), progress=False)


def test_places_that_are_not_labelled_are_not_counted(tokens):
    x, y = torch.rand(8, 5, 4), torch.arange(40).view(8, 5) % 3
    y[::2, 3:] = -100
    found = evaluate(tokens, [{"input": x, "labels": y}], baselines=8, progress=False)
    right = (tokens(x).argmax(-1) == y).sum() / (y >= 0).sum()
    same = (tokens(x).argmax(-1) == tokens.source(x).argmax(-1))[y >= 0].float().mean()
    assert (found.accuracy, found.agreement) == (pytest.approx(float(right)), pytest.approx(float(same)))
    assert (found.counts.answers.labels, found.samples, found.baselines.labels) == (32, 8, 32)
    with pytest.raises(DataError, match="all labels of the data are -100, which is not counted"):
        evaluate(tokens, [(x, torch.full((8, 5), -100))], progress=False)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.full((8, 5), 3), r"outside 0 .. 2: .* 3 classes apart, the labels are from 3 to 3; -100 marks what"),
        (torch.zeros(8, dtype=torch.int64), r"or \[batch, \.\.\.\] for .*, got \[8\] for \[8, 5, 3\]; targets"),
        (torch.zeros(8, 5), r"the targets have the shape \[8, 5\], the output of the network \[8, 5, 3\]"),
        (torch.zeros(7, 5), r"a class or a target for each of their samples; its last one is torch.float32 \[7, 5\]"),
        ({"boxes": 1}, "its last one is a dict with the keys boxes"),
        (torch.zeros(8, 5).numpy(), r"its last one is a numpy array float32 \[8, 5\]: pass a tensor, torch.from_numpy"),
        (torch.zeros(8, 5, dtype=torch.complex64), r"its last one is torch.complex64 \[8, 5\]"),
    ],
)
def test_labels_that_do_not_fit(tokens, y, message):
    with pytest.raises(DataError, match=message):
        evaluate(tokens, [(torch.rand(8, 5, 4), y)], progress=False)


def test_classes_that_may_lie_on_two_axes_are_refused(tokens):
    snn = convert(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), [torch.rand(9, 3, 4)], progress=False)
    with pytest.raises(DataError, match=r"the output \[9, 3, 3\] may lie on its second axis or on its last"):
        evaluate(snn, [(torch.rand(9, 3, 4), torch.zeros(9, 3, dtype=torch.int64))], progress=False)


def test_classes_that_an_output_does_not_hold():
    x = torch.rand(9, 4)
    one = convert(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)), [x], progress=False)
    with pytest.raises(DataError, match=r"got \[9\] for \[9, 1\]; targets of a regression must be floating point"):
        evaluate(one, [(x, torch.ones(9, dtype=torch.int64))], progress=False)
    two = convert(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), [x], progress=False)
    with pytest.raises(DataError, match=r"got \[9, 2\] for \[9, 2\]; of one-hot labels give the places, y.argmax"):
        evaluate(two, [(x, torch.ones(9, 2, dtype=torch.int64))], progress=False)
    assert evaluate(two, [(x, torch.ones(9, dtype=torch.bool))], progress=False).task == "classification"


def test_a_reference_returns_what_the_network_returns(detector, pictures):
    found = evaluate(detector, [pictures], reference=detector.source, progress=False)
    assert found.counts.outputs == evaluate(detector, [pictures], progress=False).counts.outputs
    with pytest.raises(DataError, match=r"returns, \[24, 8, 2, 2\], .*, got torch.float32 \[24, 1, 6, 6\]"):
        evaluate(detector, [pictures], reference=lambda x: x, progress=False)


def test_none_is_returned_where_the_model_returns_none(tmp_path):
    model = Lambda(lambda m, x: {"a": None, "b": (m.b(torch.relu(m.a(x))), None)}, a=nn.Linear(4, 6), b=nn.Linear(6, 3))
    x = torch.rand(8, 4)
    convert(model.eval(), [x], progress=False).save(tmp_path / "n.safetensors")
    snn = load(tmp_path / "n.safetensors")
    assert output_names(snn.graph) == ("b.0",)
    found = snn(x)
    assert (found["a"], found["b"][1]) == (None, None)
    assert torch.allclose(snn.source(x)["b"][0], model(x)["b"][0], atol=1e-6)
    assert evaluate(snn, [(x, torch.zeros(8, dtype=torch.int64))], progress=False).task == "classification"


def test_an_output_that_is_a_constant_is_named():
    model = Lambda(lambda m, x: {"y": torch.relu(m.a(x)), "anchors": m.a.weight}, a=nn.Linear(4, 6)).eval()
    with pytest.raises(ConversionError, match="the output anchors of the model does not depend on its input"):
        convert(model, [torch.rand(8, 4)], progress=False)


def test_a_network_is_measured_where_the_class_of_its_output_is_not_known():
    model = Lambda(lambda m, x: Found(m.b(torch.relu(m.a(x))), m.a(x)), a=nn.Linear(4, 6), b=nn.Linear(6, 3)).eval()
    x = torch.rand(8, 4)
    snn = convert(model, [x], progress=False)
    assert isinstance(snn(x), Found)
    graph = replace(snn.graph, form=snn.graph.form.replace("tests.Found", "tests.other.Lost"))
    lost = replace(snn, plan=replace(snn.plan, graph=graph))  # as if loaded where nothing defines the class
    assert lost.compile().verify([x], progress=False).outputs.keys() == {"scores", "boxes"}
    assert evaluate(lost, [(x, torch.zeros(8).long())], output="scores", progress=False).chosen == "scores"
    with pytest.raises(DataError, match=r"returns a tests.other.Lost, .* not known here: .* `import tests.other`"):
        lost(x)
