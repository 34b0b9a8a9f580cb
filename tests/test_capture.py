"""A model is captured as it is, and left as it was: its own code decides, whatever it caches, keeps or changes."""

import functools
import logging
import re
import subprocess
import sys
import threading
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from canonic import ConversionError, explain
from canonic.conversion import convert
from canonic.frontend import export, quiet

X = torch.rand(8, 3, 4, 4)


def made(h, w):
    return torch.linspace(-1, 1, w).expand(1, 1, h, w)


class Positions(nn.Module):
    """A network that sees a map of positions, which its children keep in several places."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 3, 3), nn.Linear(12, 2)

    def forward(self, x):
        here = self.positions(x).expand(x.shape[0], -1, -1, -1)
        return self.second(F.relu(self.first(torch.cat([x, here], 1))).flatten(1))


class InFunction(Positions):
    keep = staticmethod(functools.lru_cache(None)(made))

    def positions(self, x):
        return self.keep(*x.shape[2:])


class InProperty(Positions):
    @functools.cached_property
    def kept(self):
        return made(4, 4)

    def positions(self, x):
        return self.kept


class InClass(Positions):
    kept = None

    def positions(self, x):
        if InClass.kept is None:
            InClass.kept = made(*x.shape[2:])
        return InClass.kept


class InDict(Positions):
    kept = {}  # noqa: RUF012 - that is the point

    def positions(self, x):
        key = tuple(x.shape[2:])
        if key not in self.kept:
            self.kept[key] = made(*key)
        return self.kept[key]


KEPT = None


class InGlobal(Positions):
    def positions(self, x):
        global KEPT
        if KEPT is None:
            KEPT = made(*x.shape[2:])
        return KEPT


@pytest.mark.parametrize("kind", [InFunction, InProperty, InClass, InDict, InGlobal])
def test_what_a_model_keeps_elsewhere_stays_made_of_numbers(kind):
    model = kind().eval()
    assert explain(model, X).convertible
    assert type(model(X)) is torch.Tensor


def test_a_cache_with_the_batch_size_in_its_keys_is_named():
    class ByBatch(Positions):
        kept = {}  # noqa: RUF012

        def positions(self, x):
            return self.kept.setdefault(tuple(x.shape), made(*x.shape[2:]))

    model = ByBatch().eval()
    with pytest.raises(ConversionError, match="keep the batch size out of the keys of what it caches"):
        explain(model, X)
    assert type(model(X)) is torch.Tensor


class Layer(nn.Linear):
    """Changes its weights in forward, in one of several ways."""

    def __init__(self, change):
        super().__init__(4, 3)
        self.change = change

    def forward(self, x):
        with torch.no_grad():
            self.change(self)
        return super().forward(x)


def constrained(change):
    return nn.Sequential(Layer(change), nn.ReLU(), nn.Linear(3, 2)).eval()


def renormed(weight):
    return torch.renorm(weight, 2, 0, 0.5)


def assign(layer):
    layer.weight.data = renormed(layer.weight.data)


def assign_parameter(layer):
    layer.weight = nn.Parameter(renormed(layer.weight))


V = torch.rand(8, 4)

CHANGES = {
    "assigns data": assign,
    "copies into data": lambda layer: layer.weight.data.copy_(renormed(layer.weight.data)),
    "clamps data": lambda layer: layer.weight.data.clamp_(-0.1, 0.1),
    "clamps": lambda layer: layer.weight.clamp_(-0.1, 0.1),
    "assigns a parameter": assign_parameter,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_weights_that_forward_constrains_are_constant_and_left_as_they_were(change):
    model = constrained(change)
    weight, numbers = model[0].weight, model[0].weight.detach().clone()
    found = convert(model, [V]).source(V)
    assert model[0].weight is weight
    assert torch.equal(weight, numbers)
    assert torch.allclose(found, model(V), atol=1e-6)


def test_a_program_that_changes_its_weights_is_left_as_it_was():
    program = export(constrained(CHANGES["clamps"]), V)
    before = program.state_dict["0.weight"].clone()
    explain(program, V)
    assert torch.equal(program.state_dict["0.weight"], before)


def test_weights_that_change_with_every_call_are_refused():
    with pytest.raises(ConversionError, match="answers otherwise each time it is run, as its forward changes 0.weight"):
        convert(constrained(lambda layer: layer.weight.mul_(0.5)), [V])


def test_stand_ins_without_memory_are_never_read():
    """Strict export, which goes on where the batch size is taken by len, makes constants of the data of weights."""

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = constrained(assign)

        def forward(self, x):
            return self.layer(x.reshape(len(x), 4))

    model = Both().eval()
    with pytest.raises(ConversionError, match="use x.shape.0. or -1 where the batch size stands"):
        explain(model, V)
    assert torch.isfinite(model(V)).all()


class Branching(nn.Module):
    """Computes otherwise while it is exported."""

    def __init__(self, shift):
        super().__init__()
        self.layer, self.shift, self.calls = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), shift, 0

    def forward(self, x):
        self.calls += 1
        return self.layer(x) + self.shift(self.calls)


@pytest.mark.parametrize(
    "shift",
    [lambda calls: 0.1 * (not torch.compiler.is_exporting()), lambda calls: 0.1 * calls],
    ids=["while it is exported", "with every call"],
)
def test_the_graph_is_compared_with_the_model_itself(shift):
    with pytest.raises(
        ConversionError, match="computes otherwise while it is exported, or each time that it is run; let"
    ):
        explain(Branching(shift), V)


class Keeps(nn.Module):
    """Keeps an activation, so that it cannot be copied."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)

    def forward(self, x):
        self.kept = F.relu(self.norm(self.first(x)))
        return self.second(self.kept)


def test_a_model_in_training_is_left_as_it_was():
    model = Keeps()
    loss = model(V).sum()
    kept, calls = model.kept, model.norm.num_batches_tracked.clone()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    snn = convert(model, [V])
    assert model.kept is kept
    assert all(module.training for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    loss.backward()  # nothing that it needs was touched
    assert torch.equal(model.norm.num_batches_tracked, calls)
    assert torch.allclose(snn.source(V), model.eval()(V), atol=1e-6)


def test_modules_left_in_training_mode_are_named():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Sequential(nn.Linear(3, 2), nn.Dropout()))
    model.eval()[1].train()
    model[3][1].train()
    said = "in training mode: 1, 3.1 of the model; it was converted as it computes in evaluation mode, model.eval()"
    assert said in convert(model, [V]).record["notes"]
    assert model[1].training


GIVEN = {
    "torch.jit.trace(MODEL, X)": r"the model is TorchScript \(it is a torch.jit.*give the Python module",
    "torch.jit.freeze(torch.jit.trace(MODEL.eval(), X))": "the model is TorchScript",
    "torch.jit.script(MODEL)": "the model is TorchScript",
    "nn.Sequential(torch.jit.script(MODEL))": r"the model is TorchScript \(its 0 is a",
    "torch.jit.script(function)": "got a TorchScript function: give the Python module",
    "function": "got the function function: call it in the forward of an nn.Module",
    "nn.Linear": "got the class Linear: make a model of it",
    "'net.pt2'": "got the text 'net.pt2': give the model itself",
    "MODEL.state_dict()": "got a dict: if it is a state dict, load it into the model",
    "5": "got builtins.int: give the network as an nn.Module",
    "nn.Sequential(nn.LazyLinear(3))": "0.weight of the model has no shape yet: run the model once",
}
OTHERS = {
    "convert(MODEL, [X], code=8)": r"code must be a code or its name, got int 8: CSS\(steps=8, silent=1\)",
    "convert(MODEL, [X], settings={'threshold': 'max'})": "settings must be a Settings, got dict",
    "explain(MODEL, X, code='csss')": "there is no code 'csss': did you mean css",
    "explain(MODEL, None)": "input 0 of the model must be a tensor .* got NoneType",
    "convert(MODEL, 5)": "must be an iterable of batches, got int",
    "convert(MODEL, function)": "must be an iterable of batches, got function",
    "convert(MODEL, 'digits')": "must be an iterable of batches, got str",
    "convert(MODEL, DataSet())": "must be an iterable of batches, got DataSet: pass DataLoader",
    "evaluate(MODEL, [(X, X)])": "snn must be a SpikingNetwork, got Sequential: convert the model first",
}
PROGRAM = """
import warnings
warnings.simplefilter("ignore")
import torch
from torch import nn
from canonic import CanonicError, evaluate, explain
from canonic.conversion import convert
MODEL, X = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.rand(8, 4)
def function(x):
    return x
class DataSet(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, index):
        return X[index], 0
for expression in {expressions!r}:
    try:
        eval(expression)
    except CanonicError as error:
        print(repr(str(error)))
"""


def test_what_is_no_model_code_or_data_is_named_with_its_type(tmp_path):
    """In a process of its own: here the types are checked first, which users do not do."""
    calls = [call.format(given) for given in GIVEN for call in ("convert({}, [X])", "explain({}, X)")]
    wanted = [message for message in GIVEN.values() for _ in range(2)] + list(OTHERS.values())
    (tmp_path / "given.py").write_text(PROGRAM.format(expressions=[*calls, *OTHERS]))
    done = subprocess.run([sys.executable, str(tmp_path / "given.py")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == len(wanted)
    for message, expected in zip(said, wanted, strict=True):
        assert re.search(expected, message), message


def test_other_threads_log_warn_and_print_while_a_model_is_captured(capsys):
    inside, done, seen = threading.Event(), threading.Event(), []

    def capture():
        with quiet():
            warnings.warn("unheard", stacklevel=1)
            print("unheard", file=sys.stderr)
            logging.getLogger("torch.export").error("unheard")
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=capture)
    thread.start()
    assert inside.wait(10)
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    logging.getLogger("torch.export").addHandler(handler)
    try:
        with pytest.warns(UserWarning, match="heard"):
            warnings.warn("heard", stacklevel=1)
        print("heard", file=sys.stderr)
        logging.getLogger("torch.export").error("heard")
    finally:
        done.set()
        thread.join()
        logging.getLogger("torch.export").removeHandler(handler)
    assert seen == ["heard"]
    assert "unheard" not in capsys.readouterr().err.replace("heard\n", "", 1)


def test_conversions_in_several_threads_at_once():
    models = [nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)) for _ in range(3)]
    alone = [str(convert(model, [V], progress=False)(V)) for model in models]
    before = list(warnings.filters), sys.stderr, sys.stdout, logging.root.manager.disable
    found = [""] * 3

    def work(index):
        found[index] = str(convert(models[index], [V], progress=False)(V))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone
    assert (list(warnings.filters), sys.stderr, sys.stdout, logging.root.manager.disable) == before
    assert not [handler for handler in logging.getLogger("torch").handlers if handler.filters]
    assert all(module.training for model in models for module in model.modules())


def test_a_program_that_is_given_is_compared_with_its_module():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    program = torch.export.export(model, (V,), dynamic_shapes=({0: Dim("batch")},))
    assert torch.allclose(convert(program, [V]).source(V), model(V), atol=1e-6)
    with pytest.raises(ConversionError, match=r"the model cannot be run with inputs of shape \[3, 3\]"):
        explain(program, V[:, :3])
