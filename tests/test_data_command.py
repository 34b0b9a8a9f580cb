"""Data on the command line: classes by name, data without labels, several inputs, token ids."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from canonic import load
from canonic.cli.classes import own_names

NET = """
import torch
from types import SimpleNamespace
from torch import nn
def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
def other_order():
    model = make()
    model.config = SimpleNamespace(id2label={2: "cat", 0: "dog", 1: "frog"})
    return model
class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.hidden, self.out = nn.Embedding(9, 4), nn.Linear(4, 6), nn.Linear(6, 3)
    def forward(self, input_ids, attention_mask):
        found = self.table(input_ids) * attention_mask.unsqueeze(-1)
        return self.out(torch.relu(self.hidden(found.mean(1))))
"""

OPTIONS = ("--grey", "-T", "3", "--out")


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.hidden, self.out = nn.Embedding(9, 4), nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, ids):
        return self.out(torch.relu(self.hidden(self.table(ids).mean(1))))


def pictures(folder, classes):
    for index, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), 16 * index).save(folder / name / f"{index}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder: a model, pictures of three classes, of two of them, of others, of none; tokens."""
    path = tmp_path_factory.mktemp("user")
    (path / "data_net.py").write_text(NET)
    pictures(path / "three", ["cat", "dog", "frog"] * 4)
    pictures(path / "two", ["dog", "frog"] * 3)
    pictures(path / "one", ["frog"] * 3)
    pictures(path / "other", ["dog", "fog"])
    pictures(path / "numbers", ["0", "2"])
    pictures(path / "flat", ["."] * 5)
    (path / "names.txt").write_text("cat\ndog\nfrog\n")
    random = np.random.default_rng(0)
    ids, mask = random.integers(0, 9, (20, 5)), random.integers(0, 2, (20, 5)).astype(bool)
    np.savez(path / "words.npz", attention_mask=mask, input_ids=ids, y=ids[:, 0] % 3)
    np.savez(path / "placed.npz", x=ids, x2=mask, y=ids[:, 0] % 3)
    np.savez(path / "ids.npz", x=ids.astype(np.int32), y=ids[:, 0] % 3)
    np.savez(path / "floats.npz", x=ids.astype(np.float32))
    shape = {0: torch.export.Dim("batch")}
    program = torch.export.export(Tokens().eval(), (torch.zeros(2, 5, dtype=torch.int64),), dynamic_shapes=(shape,))
    torch.export.save(program, path / "tokens.pt2")
    return path


@pytest.fixture
def named(command, folder):
    """The file of a network that was calibrated on pictures of all classes."""
    if not (folder / "named").exists():
        command(folder, "convert", "data_net:make", "--data", "three", *OPTIONS, "named")
    return "named"


def test_a_part_of_the_classes_is_measured_as_these_classes(command, folder, named):
    assert load(folder / named).record["classes"] == ["cat", "dog", "frog"]
    whole = json.loads(command(folder, "evaluate", named, "--data", "three", "--json").stdout)
    found = json.loads(command(folder, "evaluate", named, "--data", "two", "--json").stdout)
    net = load(folder / named)
    with torch.no_grad():
        x = torch.arange(6).float().view(6, 1, 1, 1).expand(6, 1, 2, 2) * 16 / 255
        answers = net.source(x).argmax(1)
    assert found["accuracy"]["source"] == float((answers == torch.tensor([1, 2] * 3)).double().mean())
    assert whole["data"]["samples"] == 12


def test_what_is_said_of_classes(command, folder, named):
    assert "all samples of one are of one class, frog" in command(folder, "evaluate", named, "--data", "one").stderr
    message = (
        "other has the class 'fog', which the network does not know (did you mean frog or dog?): rename its folder"
    )
    assert message in command(folder, "evaluate", named, "--data", "other", code=1).stderr
    assert (
        "the classes of numbers are numbers: each is that output"
        in command(folder, "evaluate", named, "--data", "numbers").stderr
    )
    assert command(folder, "verify", named, "--data", "other").stderr == ""  # labels are not used


def test_pictures_without_labels_convert_and_verify(command, folder):
    told = command(folder, "convert", "data_net:make", "--data", "flat", *OPTIONS, "flat.n")
    assert "holds no labels" not in told.stderr
    assert load(folder / "flat.n").record["classes"] == []
    assert "5 samples" in command(folder, "verify", "flat.n", "--data", "flat").stdout
    two = command(folder, "evaluate", "flat.n", "--data", "two", code=1).stderr
    assert (
        "two has 2 classes (dog, frog), but the network has 3 outputs, without names: name them in their order" in two
    )
    three = command(folder, "evaluate", "flat.n", "--data", "three").stderr
    assert "the classes of three are numbered in alphabetical order, cat, dog, frog" in three
    command(folder, "evaluate", "flat.n", "--data", "two", "--classes", "names.txt")
    few = command(folder, "evaluate", "flat.n", "--data", "two", "--classes", "cat,dog", code=1).stderr
    assert "the network has 3 outputs, but got 2 class names" in few


def test_names_that_the_network_has_no_outputs_for(command, folder):
    said = command(folder, "convert", "data_net:make", "--data", "two", *OPTIONS, "two.n").stderr
    assert "two has 2 classes, the network 3 outputs: their names are not kept" in said
    assert load(folder / "two.n").record["classes"] == []
    command(folder, "convert", "data_net:make", "--data", "two", *OPTIONS, "two.n", "--classes", "cat,dog,frog")
    assert load(folder / "two.n").record["classes"] == ["cat", "dog", "frog"]
    args = ("--data", "two", *OPTIONS, "x.n", "--classes", "dog,frog")
    assert (
        "the network has 3 outputs, but got 2 class names"
        in command(folder, "convert", "data_net:make", *args, code=1).stderr
    )


def test_a_model_that_knows_its_classes_is_believed(command, folder):
    command(folder, "convert", "data_net:other_order", "--data", "three", *OPTIONS, "order.n")
    assert load(folder / "order.n").record["classes"] == ["dog", "frog", "cat"]
    assert own_names(SimpleNamespace(config=SimpleNamespace(id2label={0: "LABEL_0", 1: "LABEL_1"}))) == ()
    assert own_names(nn.Linear(2, 2)) == ()


def test_a_sweep_matches_classes_too(command, folder):
    arguments = ("--calibration", "three", "--data", "two", "--grey", "-T", "3", "--out", "sweep")
    command(folder, "sweep", "data_net:make", *arguments)
    others = ("--calibration", "flat", "--data", "two", "--grey", "-T", "3", "--out", "sweep2")
    assert (
        "two has 2 classes (dog, frog), but the network has 3 outputs, without names"
        in command(folder, "sweep", "data_net:make", *others, code=1).stderr
    )


def test_several_inputs_by_name_and_in_their_order(command, folder):
    command(folder, "convert", "data_net:Words", "--data", "words.npz", "-T", "3", "--out", "words")
    named = json.loads(command(folder, "verify", "words", "--data", "words.npz", "--json").stdout)
    placed = json.loads(command(folder, "verify", "words", "--data", "placed.npz", "--json").stdout)
    assert named == placed
    said = command(folder, "convert", "data_net:Words", "--data", "ids.npz", "--out", "x.n", code=1).stderr
    assert "the network takes 2 inputs (input_ids, attention_mask), ids.npz gives 1: give them in an .npz file" in said


def test_a_program_of_token_ids(command, folder):
    assert "population" in command(folder, "explain", "tokens.pt2").stdout
    command(folder, "convert", "tokens.pt2", "--data", "ids.npz", "-T", "3", "--out", "ids")
    assert "20 samples" in command(folder, "evaluate", "ids", "--data", "ids.npz").stdout
    said = command(folder, "verify", "ids", "--data", "floats.npz", code=1).stderr
    assert "must be torch.int64, as in the model's example, got torch.float32: convert it, x.to(torch.int64)" in said
