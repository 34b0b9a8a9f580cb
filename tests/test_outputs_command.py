"""Detectors and token models on the command line: several outputs, labels or none."""

import json

import numpy as np
import pytest

NET = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, *names):
        super().__init__()
        torch.manual_seed(0)
        self.names = names
        self.a, self.b, self.c = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 3, 1), nn.Conv2d(4, 8, 3, 2)
    def forward(self, x):
        features = torch.relu(self.a(x))
        return {self.names[0]: [self.c(features)], self.names[1]: self.b(features).mean((2, 3))}
def detector(): return Net("boxes", "scores")
def classifier(): return Net("features", "logits")
class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.hidden, self.out = nn.Embedding(9, 4), nn.Linear(4, 6), nn.Linear(6, 3)
    def forward(self, input_ids=None, attention_mask=None, labels=None):
        found = self.table(input_ids) * attention_mask.unsqueeze(-1)
        return {"logits": self.out(torch.relu(self.hidden(found)))}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("user")
    (path / "several.py").write_text(NET)
    x = random.random((20, 1, 6, 6)).astype(np.float32)
    np.savez(path / "x.npz", x=x)
    np.savez(path / "xy.npz", x=x, y=np.arange(20) % 3)
    ids = random.integers(0, 9, (20, 5))
    labels = np.where(ids > 1, ids % 3, -100)
    np.savez(path / "words.npz", input_ids=ids, attention_mask=np.ones_like(ids), labels=labels)
    return path


def test_a_detector_is_measured_without_labels(folder, command):
    command(folder, "convert", "several:detector", "--data", "x.npz", "-T", 4, "--out", "detector.safetensors")
    assert "outputs: boxes.0 " in command(folder, "verify", "detector.safetensors", "--data", "x.npz").stdout
    said = command(folder, "evaluate", "detector.safetensors", "--data", "x.npz")
    assert "canonic: x.npz holds no labels: add the array y" in said.stderr
    assert "no labels: compared with the source network alone" in said.stdout
    found = json.loads(command(folder, "evaluate", "detector.safetensors", "--data", "x.npz", "--json").stdout)
    assert (found["task"], found["accuracy"], set(found["outputs"])) == ("comparison", None, {"boxes.0", "scores"})
    assert found["outputs"]["boxes.0"]["agreement"] is None
    options = ("--data", "x.npz", "--baselines", 0, "--pictures", 1, "--out", "page.html")
    command(folder, "report", "detector.safetensors", *options)
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert "output boxes.0, signal to noise against the source" in page
    assert "answers that agree: output scores" in page
    options = ("--data", "x.npz", "--calibration", "x.npz", "-T", "2,4", "--out", "swept")
    assert "output, dB" in command(folder, "sweep", "several:detector", *options).stdout


def test_labels_are_of_the_output_that_is_named(folder, command):
    command(folder, "convert", "several:detector", "--data", "x.npz", "-T", 3, "--out", "detector.safetensors")
    said = command(folder, "evaluate", "detector.safetensors", "--data", "xy.npz", code=1).stderr
    assert "has 2 (boxes.0, scores): say which, for example output='boxes.0', or --output boxes.0" in said
    said = command(folder, "evaluate", "detector.safetensors", "--data", "xy.npz", "--output", "score", code=1).stderr
    assert "the network has no output 'score': did you mean scores?" in said
    options = ("--data", "xy.npz", "--output", "scores")
    assert "accuracy %" in command(folder, "evaluate", "detector.safetensors", *options).stdout
    more = ("--baselines", 0, "--pictures", 1, "--classes", "a,b,c", "--out", "named.html")
    command(folder, "report", "detector.safetensors", *options, *more)
    assert '"classes":["a","b","c"]' in (folder / "named.html").read_text(encoding="utf-8")


def test_logits_are_found(folder, command):
    command(folder, "convert", "several:classifier", "--data", "x.npz", "-T", 4, "--out", "logits.safetensors")
    found = json.loads(command(folder, "evaluate", "logits.safetensors", "--data", "xy.npz", "--json").stdout)
    assert (found["task"], found["output"]) == ("classification", "logits")


def test_tokens_by_name_with_a_class_for_each(folder, command):
    assert "T = 8, k = 1" in command(folder, "explain", "several:Words", "--data", "words.npz").stdout
    command(folder, "convert", "several:Words", "--data", "words.npz", "-T", 4, "--out", "words.safetensors")
    found = json.loads(command(folder, "evaluate", "words.safetensors", "--data", "words.npz", "--json").stdout)
    with np.load(folder / "words.npz") as arrays:
        assert found["accuracy"]["labels"] == int((arrays["labels"] >= 0).sum())
    options = ("--data", "words.npz", "--baselines", 0, "--pictures", 1, "--out", "words.html")
    command(folder, "report", "words.safetensors", *options)
    page = (folder / "words.html").read_text(encoding="utf-8")
    assert "input_ids, one of 2 inputs; its numbers: " in page
