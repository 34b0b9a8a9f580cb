"""The spiking network: stateless calls, readout, trace, table, devices, files."""

import copy
import errno
import json
import os
import pickle

import pytest
import torch

import canonic
from canonic import CSS, Override, Settings, StorageError, convert
from canonic.codes import CODES
from canonic.network import storage
from canonic.network.clocked import clocked
from canonic.network.layerwise import chunk_size
from tests.networks import build


@pytest.fixture(scope="module")
def snn():
    torch.manual_seed(0)
    model, shape = build("residual")
    return convert(model, [torch.randn(20, *shape, dtype=torch.float64)], code=CSS(steps=6, silent=2))


@pytest.fixture
def x(snn):
    return torch.randn(7, *snn.graph[snn.graph.inputs[0]].shape, dtype=torch.float64)


def test_a_call_leaves_no_state_behind(snn, x):
    first = snn(x)
    snn(torch.randn_like(x))
    assert torch.equal(snn(x), first)


def test_samples_of_a_batch_do_not_see_each_other(snn, x):
    alone = torch.cat([snn(sample[None]) for sample in x])
    assert torch.allclose(snn(x), alone, rtol=1e-9)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda snn: pickle.loads(pickle.dumps(snn))], ids=["deepcopy", "pickle"]
)
def test_a_network_that_ran_is_copied(snn, x, precision, copied):
    """Without what its schedulers keep, such as packed weights, of which torch copies none."""
    ready = snn.to_precision(precision)
    wanted = ready(x)
    assert torch.equal(copied(ready)(x), wanted)


def test_a_batch_that_is_cut_gives_the_same(snn, x, monkeypatch):
    whole = snn.readout(x)
    monkeypatch.setattr("canonic.network.parts.CHUNK", 1)
    assert chunk_size(snn.plan) == 1
    assert torch.allclose(snn.readout(x), whole, rtol=1e-9)


def test_the_readout_is_silent_until_the_first_digit_and_ends_at_the_answer(snn, x):
    readout = snn.readout(x)
    first = snn.total_steps - snn.code.steps
    assert (snn.total_steps, first, snn.depth) == (6 + 2 * 2, 4, 2)
    assert readout[:first].count_nonzero() == 0
    assert readout[first].count_nonzero() > 0
    assert torch.equal(readout[-1], snn(x))


def test_the_readout_sharpens(snn, x):
    errors = (snn.readout(x)[4:] - snn.source(x)).abs().mean((1, 2, 3, 4))
    assert errors[-1] < 0.1 * errors[0]


def test_no_gradient_graph_is_kept(snn, x):
    assert not snn(x.requires_grad_()).requires_grad


def test_silent_steps_may_differ_between_populations(x):
    """The shorter branch waits: in the clocked scheduler its pulses are delayed by the difference."""
    model, _ = build("residual")
    uneven = Settings(overrides={"relu_2": Override(silent=4)})
    snn = convert(model, [x], code=CSS(steps=5, silent=1), settings=uneven)
    assert snn.total_steps == 5 + 1 + 4
    assert torch.allclose(snn.readout(x), snn.readout(x, scheduler="clocked"), rtol=1e-9, atol=1e-12)


def test_the_clocked_scheduler_passes_its_state_and_keeps_it_small(snn, x):
    sizes = []
    for _, state in clocked(snn.plan, [x]):
        pulses = [p for queue in state.delayed.values() for p in queue if p is not None]
        sizes.append(sum(m.potential.numel() for m in state.memory.values() if m) + sum(p.numel() for p in pulses))
    assert state.tick == len(sizes) == snn.total_steps
    assert max(sizes) <= 2 * snn.neurons * len(x) + 4 * pulses_of(snn) * len(x)


def pulses_of(snn):
    return max(n for n in (torch.Size(node.shape).numel() for node in snn.graph.nodes))


def test_trace_shows_a_population_from_all_sides(snn, x):
    name = snn.graph.populations[1].name
    traces = snn.trace(x, layers=[name])
    assert list(traces) == [name]
    trace, code, theta = traces[name], snn.code, snn.graph[name].tensors["theta"]
    shape = (code.steps + code.silent, *x.shape[:1], 6, 8, 8)
    assert trace.spikes.shape == trace.currents.shape == trace.membranes.shape == shape
    assert trace.spikes[: code.silent].count_nonzero() == 0
    assert trace.first == code.silent  # the population before it is silent for k steps
    # The identity of the neuron ties all of them together.
    start = code.beta * snn.graph[name].tensors["start"]
    z = (code.prefixes(trace.currents[: code.steps])[-1] + start) * theta
    residual = trace.membranes[-1] * code.beta ** -(code.steps - 1 + code.silent) * theta
    assert torch.allclose(trace.decoded, z - residual)
    assert (trace.decoded - trace.source).abs().max() < 0.2 * trace.source.max()


def test_the_table_can_be_read(snn):
    text = str(snn)
    lines = text.splitlines()
    assert lines[0].split()[:4] == ["layer", "operator", "neurons", "theta"]
    row = next(line for line in lines if line.startswith("relu "))
    assert "population (relu)" in row
    assert " 384 " in row
    assert "2 populations, 768 neurons, depth 2" in lines[-1]
    assert "10 total steps" in lines[-1]


@pytest.mark.parametrize(
    "name",
    [
        "several outputs",
        "residual",
        "max pooling",
        "constant padding",
        "view",
        "hardtanh",
        "mean of a type",
        "shared by two",
    ],
)
def test_a_file_gives_back_the_same_network(name, tmp_path):
    model, shape = build(name)
    x = torch.randn(4, *shape, dtype=torch.float64)
    snn = convert(model, [x], code=CSS(steps=5, silent=1), settings=Settings(bias="spread", input="css"))
    snn.save(tmp_path / "net.safetensors")
    loaded = canonic.load(tmp_path / "net.safetensors")
    for ours, theirs in zip(_leaves(loaded(x)), _leaves(snn(x)), strict=True):
        assert torch.equal(ours, theirs)
    assert str(loaded) == str(snn)
    assert loaded.record == json.loads(json.dumps(snn.record))


def _leaves(tree):
    return torch.utils._pytree.tree_leaves(tree)


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interrupt_leaves_the_old_file(snn, tmp_path, monkeypatch, failure):
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"old")

    def fail(_):
        raise failure

    monkeypatch.setattr(storage.os, "fsync", fail)
    expected = StorageError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        snn.save(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["net.safetensors"]
    if expected is StorageError:
        assert "No space left on device; nothing was left behind" in str(caught.value)


def test_a_file_without_a_weight_or_with_a_strange_operator(snn, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = tmp_path / "net.safetensors"
    snn.save(path)
    with safe_open(path, "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    name = next(name for name in tensors if name.endswith("/weight"))
    save_file({n: t for n, t in tensors.items() if n != name}, path, header)
    with pytest.raises(StorageError, match="lacks its weight"):
        canonic.load(path)
    strange = {**header, "network": header["network"].replace("aten.conv2d.default", "os.path.system")}
    save_file(tensors, path, strange)
    with pytest.raises(StorageError, match="the operator of .*: .os.path.system. is no operator of torch"):
        canonic.load(path)


def test_others_may_read_the_file(snn, tmp_path):
    snn.save(tmp_path / "net.safetensors")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "net.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_that_does_not_exist(snn, tmp_path):
    with pytest.raises(StorageError, match="cannot write .*: No such file or directory"):
        snn.save(tmp_path / "missing" / "net.safetensors")


def test_damaged_files_are_refused(snn, tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(StorageError, match="there is no file .*net.safetensors"):
        canonic.load(path)
    snn.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        StorageError, match="net.safetensors is no network that canonic convert or canonic train wrote, or it is"
    ):
        canonic.load(path)
    path.write_bytes(b"pickle" * 100)
    with pytest.raises(
        StorageError, match="net.safetensors is no network that canonic convert or canonic train wrote, or it is"
    ):
        canonic.load(path)
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, path, {"format": storage.FORMATS[-1]})
    with pytest.raises(StorageError, match="is damaged .KeyError: 'network'.: save the network again"):
        canonic.load(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(
        StorageError, match="holds no network, but tensors alone: make one with canonic convert or canonic train"
    ):
        canonic.load(path)


def test_the_public_names_are_few_and_there():
    codes = {kind.__name__ for kind in CODES.values()}
    assert len(set(canonic.__all__) - codes) <= 15
    assert codes <= set(canonic.__all__)
    assert all(getattr(canonic, name) is not None for name in canonic.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = canonic.nothing
