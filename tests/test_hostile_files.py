"""Files that would run code when they are opened, or name what is no network: refused, and nothing of them is run."""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch._export.serde.serialize import serialize
from torch.export import Dim

import canonic
from canonic import DataError, StorageError
from canonic.cli.models import open_model
from canonic.conversion import convert
from canonic.datasets import open_data
from canonic.frontend.marks import PLACE
from canonic.frontend.table import TABLE
from canonic.network.named import operator_named


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.shift = nn.Linear(4, 4), nn.Linear(2, 2), torch.ones(2)

    def forward(self, metadata):
        halves = self.first(metadata).relu().view(metadata.shape[0] * 2, 2).view(-1, 2, 2)
        return {"answer": self.second(halves[:, 0]) + self.shift}


X = torch.rand(6, 4)


@pytest.fixture(scope="module")
def program():
    return torch.export.export(Net().eval(), (X,), dynamic_shapes=({0: Dim("batch")},))


@pytest.fixture(scope="module")
def entries(program):
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    with zipfile.ZipFile(buffer) as file:
        return {name.partition("/")[2]: file.read(name) for name in file.namelist()}


def written(path, entries, root="model/"):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(root + name, content)
    return str(path)


def edited(entries, name, change):
    """Return the entries with a change to one that is JSON."""
    found = json.loads(entries[name])
    change(found)
    return {**entries, name: json.dumps(found).encode()}


def test_good_files_of_both_formats(program, entries, tmp_path):
    artifact = serialize(program)
    before = {
        "version": b"8.0",
        "serialized_exported_program.json": artifact.exported_program,
        "serialized_state_dict.pt": artifact.state_dict,
        "serialized_constants.pt": artifact.constants,
        "serialized_example_inputs.pt": artifact.example_inputs,
    }
    for path in (written(tmp_path / "new.pt2", entries), written(tmp_path / "old.pt2", before, root="")):
        opened = open_model(path, None)
        assert torch.equal(opened.module()(X)["answer"], program.module()(X)["answer"])
        assert str(opened.graph) == str(program.graph)


WEIGHTS, CONSTANTS = "data/weights/model_weights_config.json", "data/constants/model_constants_config.json"
PICKLED = {
    "weight": (WEIGHTS, "data/weights/weight_0", {"use_pickle": True}),
    "constant": (CONSTANTS, "data/constants/tensor_0", {"use_pickle": True}),
    "object": (CONSTANTS, "data/constants/custom_obj_0", {"path_name": "custom_obj_0"}),
    "opaque object": (CONSTANTS, "data/constants/opaque_obj_0", {"path_name": "opaque_obj_0"}),
}


@pytest.mark.parametrize("kind", PICKLED)
def test_tensors_that_are_pickles(kind, entries, tmp_path):
    listed, place, change = PICKLED[kind]
    hostile = edited(entries, listed, lambda found: next(iter(found["config"].values())).update(change))
    hostile[place] = pickle.dumps(Evil(tmp_path / "mark"))
    with pytest.raises(StorageError, match=f"could run code when it is opened: {place}.* is a pickle"):
        open_model(written(tmp_path / "evil.pt2", hostile), None)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "place",
    [
        "data/sample_inputs/model.pt",
        "data/weights/model.pt",
        "data/constants/model.pt",
        "serialized_state_dict.pt",
        "serialized_constants.pt",
        "serialized_example_inputs.pt",
    ],
)
def test_whole_entries_that_are_pickles(place, entries, tmp_path):
    if place.startswith("serialized"):
        entries, root = {"version": b"8.0", "serialized_exported_program.json": entries["models/model.json"]}, ""
    else:
        root = "model/"
    saved = io.BytesIO()
    torch.save({"a": Evil(tmp_path / "mark")}, saved)
    for content in (saved.getvalue(), pickle.dumps(Evil(tmp_path / "mark"))):
        hostile = written(tmp_path / "evil.pt2", {**entries, place: content}, root)
        with pytest.raises(StorageError, match=r"could run code when it is opened: .*\.pt is a pickle that cannot be"):
            open_model(hostile, None)
    assert not (tmp_path / "mark").exists()


def test_compiled_libraries(entries, tmp_path):
    hostile = {**entries, "data/aotinductor/model/net.so": b"\x7fELF"}
    with pytest.raises(StorageError, match="data/aotinductor/model/net.so is of a compiled library"):
        open_model(written(tmp_path / "evil.pt2", hostile), None)


def first_call(found):
    return found["graph_module"]["graph"]["nodes"][0]


def size_of(found, text):
    sizes = found["graph_module"]["graph"]["tensor_values"]["metadata"]["sizes"]
    sizes[0]["as_expr"]["expr_str"] = text


def form_of(found, form):
    found["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = json.dumps([1, form])


def parameter(found, name):
    spec = next(spec for spec in found["graph_module"]["signature"]["input_specs"] if "parameter" in spec)
    spec["parameter"]["parameter_name"] = name


def value_called(found, name):
    values = found["graph_module"]["graph"]["tensor_values"]
    values[name] = next(iter(values.values()))


RUN = "__import__('os').mkdir('MARK')"
ENUM = {"type": "builtins.dict", "context": json.dumps([{"__enum__": True, "fqn": "evil:E", "name": "A"}])}
DEFAULT = {
    "type": "collections.defaultdict",
    "context": {"default_factory_module": "evil", "default_factory_name": "f"},
}
WORDS = {
    "a size": (lambda found: size_of(found, RUN), "the size .* is more than an expression"),
    "a size by attribute": (lambda found: size_of(found, "Symbol('s0').__class__"), "the size .* is more than"),
    "a size by name": (lambda found: size_of(found, "preview(1)"), "the size .* is more than an expression"),
    "a size by text": (lambda found: size_of(found, "Integer('exit(1)')"), "the size .* is more than an expression"),
    "an operator": (lambda found: first_call(found).update(target="torch.os.mkdir"), "'torch.os.mkdir' is no operator"),
    "a library": (lambda found: first_call(found).update(target="torch.ops.load_library"), "is no operator of torch"),
    "a method": (lambda found: first_call(found).update(target="torch.ops.aten.__class__.mro"), "is no operator of"),
    "a caller": (lambda found: first_call(found).update(target="_operator.methodcaller"), "is no operator of torch"),
    "a file": (lambda found: first_call(found).update(target="torch.ops.aten.from_file.default"), "does more than"),
    "a writer": (lambda found: first_call(found).update(target="torch.ops.aten.save.default"), "no operator|does more"),
    "a name": (lambda found: first_call(found).update(name=f"x={RUN}"), "the name .* is no name"),
    "a value": (lambda found: value_called(found, f"x={RUN}"), "the tensor_values keys .* is no name"),
    "a parameter": (lambda found: parameter(found, f'a"), {RUN}, ("'), "the parameter_name .* is more than a name"),
    "an argument": (lambda found: first_call(found)["inputs"][0].update(name=f"x={RUN}"), "the name .* is no name"),
    "an enumeration": (lambda found: form_of(found, {**ENUM, "children_spec": []}), "a form names code to import"),
    "a default": (lambda found: form_of(found, {**DEFAULT, "children_spec": []}), "a form names code to import"),
    "a class": (lambda found: first_call(found)["inputs"][0].update(arg={"as_operator": "a"}), "needs a class of its"),
}


@pytest.mark.parametrize("kind", WORDS)
def test_words_of_a_program_that_are_code(kind, entries, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change, message = WORDS[kind]
    hostile = edited(entries, "models/model.json", change)
    with pytest.raises(StorageError, match=f"could run code when it is opened: in models/model.json .*{message}"):
        open_model(written(tmp_path / "evil.pt2", hostile), None)
    assert os.listdir(tmp_path) == ["evil.pt2"]


def test_guards_are_left_out(entries, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = edited(entries, "models/model.json", lambda found: found.update(guards_code=[f"{RUN} is None"]))
    opened = open_model(written(tmp_path / "evil.pt2", hostile), None)
    opened.module()(X)
    assert os.listdir(tmp_path) == ["evil.pt2"]


def test_archives_that_are_none(entries, tmp_path):
    (tmp_path / "text.pt2").write_text("no zip")
    for path in (
        tmp_path / "text.pt2",
        written(tmp_path / "empty.pt2", {}),
        written(tmp_path / "list.pt2", {**entries, "models/model.json": b"[]"}),
    ):
        with pytest.raises(StorageError, match="is damaged or no exported program .*: write it with torch.export.save"):
            open_model(str(path), None)


@pytest.mark.parametrize("operator", sorted(TABLE.keys() - {PLACE}))  # populations have no operator in a file
def test_the_operators_of_the_table_may_stand_in_files(operator):
    assert str(operator_named(operator)) == operator


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "net.safetensors"
    convert(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval(), [X]).save(path)
    with safe_open(path, "pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def node(found, kind):
    return next(node for node in found["nodes"] if node["kind"] == kind)


NETWORKS = {
    "an operator": (lambda found: node(found, "synapse").update(operator="os.path.system"), "is no operator of torch"),
    "a file": (
        lambda found: node(found, "synapse").update(operator="aten.from_file.default"),
        "does more than compute",
    ),
    "in place": (lambda found: node(found, "synapse").update(operator="aten.relu_.default"), "changes its input"),
    "a form": (lambda found: found.update(form=json.dumps([1, {**ENUM, "children_spec": []}])), "code to import"),
    "a type": (
        lambda found: node(found, "synapse")["arguments"].update(x={"$type": "load"}),
        "'load' is no type of numbers",
    ),
    "a cycle": (lambda found: found["nodes"].reverse(), "which no node before it makes"),
    "itself": (lambda found: node(found, "synapse").update(inputs=["nobody"]), "reads nobody, which no node before"),
    "a huge shape": (lambda found: node(found, "synapse").update(shape=[2**40]), r"has the shape \[1099511627776\]"),
    "a wide margin": (
        lambda found: node(found, "synapse")["arguments"].update(padding=[10**6, 10**6]),
        r"gives the shape \[.*\], where \[.*\] was written|does not fit what it reads",
    ),
    "an argument of another type": (
        lambda found: node(found, "synapse")["arguments"].update(input="one"),
        "does not fit what it reads: aten",
    ),
    "no shape": (lambda found: node(found, "synapse").update(shape=["../.."]), "has the shape|TypeCheck"),
    "a slot": (
        lambda found: node(found, "synapse")["arguments"].update(input={"$": 7}),
        "reads more inputs than it has",
    ),
    "a kind": (lambda found: node(found, "synapse").update(kind="organ"), "is a 'organ' that|TypeCheck"),
    "two of a name": (lambda found: found["nodes"].append(found["nodes"][0]), "two nodes are called"),
    "no outputs": (lambda found: found.update(outputs=[]), "its outputs are none"),
    "another form": (lambda found: found.update(outputs=2 * found["outputs"]), "its form holds 1 outputs, the graph 2"),
    "no inputs": (lambda found: found.update(inputs=["nobody"]), "its inputs are nobody"),
    "a bias": (lambda found: found.update(bias="never"), "the bias 'never' is none of first, spread|TypeCheck"),
    "a precision": (lambda found: found["record"].update(precision="int4"), "the precision 'int4' is none"),
    "no record": (lambda found: found.update(record=[]), ""),
    "depth": (lambda found: found.update(form="[" * 100_000), "RecursionError"),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_network_files_that_name_what_is_none(kind, network, tmp_path):
    (header, tensors), (change, message) = network, NETWORKS[kind]
    found = json.loads(header["network"])
    change(found)
    save_file(tensors, tmp_path / "evil.safetensors", {**header, "network": json.dumps(found)})
    with pytest.raises(StorageError, match=f"evil.safetensors is damaged .*({message})"):
        canonic.load(tmp_path / "evil.safetensors")


def neurons(found):
    return node(found, "population")["neurons"]


NEWER = {
    "a code": (lambda found: found["code"].update(name="quantum"), "there is no code 'quantum'"),
    "of a layer": (lambda found: neurons(found)["code"].update(name="late"), "there is no code 'late'"),
    "a parameter": (lambda found: neurons(found)["code"].update(jitter=1), "the code css has no 'jitter'"),
    "a value": (lambda found: neurons(found)["code"].update(steps=99), "steps must be a whole number from 1 to 24"),
}


@pytest.mark.parametrize("kind", NEWER)
def test_files_of_a_newer_version_are_not_called_damaged(kind, network, tmp_path):
    (header, tensors), (change, message) = network, NEWER[kind]
    found = json.loads(header["network"])
    change(found)
    save_file(tensors, tmp_path / "new.safetensors", {**header, "network": json.dumps(found)})
    told = f"new.safetensors was written by a newer version, and canonic .* cannot read it .{message}.*: update canonic"
    with pytest.raises(StorageError, match=told):
        canonic.load(tmp_path / "new.safetensors")


def test_files_name_the_version_that_wrote_them(network, tmp_path):
    header, tensors = network
    found = json.loads(header["network"])
    found["record"]["versions"]["canonic"] = "99.1"
    neurons(found)["lag"] = 1
    save_file(tensors, tmp_path / "new.safetensors", {**header, "network": json.dumps(found)})
    with pytest.raises(StorageError, match="was written by canonic 99.1, and canonic .*'lag'.*: update canonic, or"):
        canonic.load(tmp_path / "new.safetensors")
    save_file(tensors, tmp_path / "new.safetensors", {**header, "format": "canonic network 99"})
    with pytest.raises(StorageError, match="of the format 'canonic network 99', and canonic .* reads .*: update"):
        canonic.load(tmp_path / "new.safetensors")


def test_weights_that_hold_themselves_or_code(tmp_path):
    from canonic.cli.weights import load_weights

    held = {}
    held["state_dict"] = held
    for content, message in ((held, "holds itself"), ({"a": Evil(tmp_path / "mark")}, "holds more than tensors")):
        torch.save(content, tmp_path / "weights.pt")
        with pytest.raises(StorageError, match=message):
            load_weights(nn.Linear(2, 2), tmp_path / "weights.pt")
    assert not (tmp_path / "mark").exists()


def test_arrays_that_are_pickles(tmp_path):
    np.savez(tmp_path / "evil.npz", x=np.array([Evil(tmp_path / "mark")], dtype=object))
    with pytest.raises(DataError, match="is no .npz file, or it is damaged .*pickle"):
        open_data(str(tmp_path / "evil.npz"))
    assert not (tmp_path / "mark").exists()
