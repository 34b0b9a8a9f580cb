"""Weights as people have them: state dicts, checkpoints of several tools, and files that are something else."""

import argparse
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from canonic import StorageError
from canonic.cli.weights import load_weights


def network():
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))


class Lightning(nn.Module):
    def __init__(self, name):
        super().__init__()
        setattr(self, name, network())
        self.loss = nn.CrossEntropyLoss(weight=torch.ones(2))


torch.manual_seed(0)
STATE = network().state_dict()
ADAM = {"state": {0: {"exp_avg": torch.zeros(3, 4)}}, "param_groups": [{"lr": 0.1}]}


def prefixed(prefix, state=STATE):
    return {prefix + name: tensor for name, tensor in state.items()}


def own(found):
    """A state dict of one of Lightning's modules, with the weights of this file in it."""
    return {**found.state_dict(), **{f"{next(iter(dict(found.named_children())))}.{k}": t for k, t in STATE.items()}}


TAKEN = {
    "a state dict": (STATE, ""),
    "beside other things": ({**STATE, "epoch": 3}, ""),
    "DataParallel": (prefixed("module."), "whose names begin with 'module.'"),
    "torch.compile": (prefixed("_orig_mod."), "whose names begin with '_orig_mod.'"),
    "both": (prefixed("module._orig_mod."), "whose names begin with 'module._orig_mod.'"),
    "any prefix of all names": (prefixed("encoder."), "whose names begin with 'encoder.'"),
    "the tutorial": ({"model_state_dict": STATE, "optimizer_state_dict": ADAM}, "under 'model_state_dict'"),
    "model": ({"model": prefixed("module."), "epoch": 3}, "under 'model' whose names begin with 'module.'"),
    "Lightning, model": ({"state_dict": own(Lightning("model"))}, "begin with 'model.'; left out: loss.weight"),
    "Lightning, net": ({"state_dict": own(Lightning("net"))}, "begin with 'net.'; left out: loss.weight"),
    "an average": ({"n_averaged": torch.tensor(3), **prefixed("module.")}, "'module.'; left out: n_averaged"),
    "an average alone": ({"ema": STATE}, "under 'ema'"),
    "an average beside the weights": (
        {"model": STATE, "model_ema": {name: t + 1 for name, t in STATE.items()}},
        "under 'model'; others fit too: under 'model_ema'",
    ),
    "deep inside": ({"trainer": {"state": {"model": STATE}}}, "under 'trainer.state.model'"),
}


@pytest.mark.parametrize(("saved", "said"), TAKEN.values(), ids=TAKEN)
def test_checkpoints_as_people_have_them(tmp_path, capsys, saved, said):
    torch.save(saved, tmp_path / "w.pt")
    model = network()
    load_weights(model, tmp_path / "w.pt")
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in model.state_dict().items())
    told = capsys.readouterr().err
    assert said in told
    assert bool(told) == bool(said)  # a plain state dict needs no words


def test_names_with_a_prefix_in_safetensors(tmp_path):
    save_file(prefixed("module."), tmp_path / "w.safetensors")
    model = network()
    load_weights(model, tmp_path / "w.safetensors")
    assert torch.equal(model[0].weight, STATE["0.weight"])


def script(path):
    torch.jit.save(torch.jit.trace(network().eval(), torch.zeros(2, 4)), path)


def program(path):
    with zipfile.ZipFile(path, "w") as archive:  # as torch.export.save begins one
        archive.writestr("w/archive_format", "pt2")


REFUSED = {
    "a whole module": (network(), r"more than tensors \(a whole module\), .*weights_only=False\).state_dict\(\) has"),
    "a namespace": ({"state_dict": STATE, "args": argparse.Namespace()}, r"more than tensors \(argparse.Namespace\)"),
    "two networks": ({"student": STATE, "teacher": STATE}, "several weights that fit, under 'student' and under 'tea"),
    "two in one": ({**prefixed("model."), **prefixed("net.")}, "several weights that fit, whose names begin with 'mod"),
    "another network": ({"model": {"a": torch.zeros(1)}}, r"w.pt, under 'model', does not fit the model \(it lacks: 0"),
    "other shapes": (prefixed("module.", {**STATE, "0.bias": torch.zeros(9)}), r"\(other shapes: 0.bias\)"),
    "an optimiser": (ADAM, r"holds no state dict: save one, torch.save\(model.state_dict\(\), path\)"),
    "a list": ([torch.zeros(2)], "holds no state dict"),
    "TorchScript": (script, r"w.pt is a TorchScript archive, .*torch.save\(torch.jit.load\(.*\).state_dict\(\), \"wei"),
    "an exported program": (program, "is an exported program, with its weights: give it as the model, without --wei"),
    "a folder": (Path.mkdir, "is a folder: name the file of the weights in it"),
    "text": (lambda path: path.write_text("hello"), r"is truncated or no file of torch.save \(.*\): copy it again"),
    "nothing": (Path.touch, r"is truncated or no file of torch.save \(EOFError\): copy it again"),
}


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("saved", "message"), REFUSED.values(), ids=REFUSED)
def test_weights_that_cannot_be_taken(tmp_path, saved, message):
    path = tmp_path / "w.pt"
    saved(path) if callable(saved) and not isinstance(saved, nn.Module) else torch.save(saved, path)
    with pytest.raises(StorageError, match=message):
        load_weights(network(), path)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_the_remedy_for_torchscript(tmp_path):
    script(tmp_path / "script.pt")
    torch.save(torch.jit.load(tmp_path / "script.pt").state_dict(), tmp_path / "weights.pt")
    load_weights(network(), tmp_path / "weights.pt")
