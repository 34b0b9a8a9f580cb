"""The event list of a run: each spike once, at its step; and what cores would carry of it."""

import sys

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import canonic
from canonic import CSS, DataError
from canonic.errors import ExportError
from canonic.export.trains import CORE, fan_outs, save_events, traffic, trains
from tests import commands


def pooled():
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten()),
        nn.Linear(12, 5),
    )


def converted(code):
    torch.manual_seed(0)
    return canonic.convert(pooled(), [torch.rand(16, 1, 8, 8)], code=code, progress=False)


@pytest.mark.parametrize("code", [CSS(), CSS(4, 0, levels=8), "rate:8"], ids=str)
def test_events_are_the_spikes_of_the_trace(code):
    snn, x = converted(code), torch.rand(3, 1, 8, 8)
    found, rebuilt = trains(snn, x), {}
    for index, (name, layer) in enumerate(snn.trace(x).items()):
        spikes = np.zeros((len(x), found.steps + 1, found.sizes[index]))
        own = found.layer == index
        spikes[found.sample[own], found.time[own], found.neuron[own]] = found.level[own]
        begin = layer.first + 1
        rebuilt[name] = spikes[:, begin : begin + len(layer.spikes)].swapaxes(0, 1)
        assert np.array_equal(rebuilt[name], layer.spikes.flatten(2).numpy())
        assert own.sum() == np.count_nonzero(rebuilt[name]) > 0
    order = np.stack([found.sample, found.time, found.layer, found.neuron])
    assert all(tuple(a) < tuple(b) for a, b in zip(order.T, order.T[1:], strict=False))
    assert found.time.max() <= found.steps == snn.total_steps


def test_fan_out_is_what_a_matrix_has_behind_what_only_moves():
    snn = converted(CSS())
    last = snn.graph.populations[-1].name
    assert fan_outs(snn.graph, last).tolist() == torch.full((3, 2, 2), 5.0).tolist()
    first = snn.graph.populations[0].name
    assert fan_outs(snn.graph, first).unique().tolist() == [1]  # the maximum reads it: a unit of its own


def test_traffic_counts_events_and_what_they_reach():
    found = trains(converted(CSS()), torch.rand(3, 1, 8, 8))
    carried = traffic(found)
    assert carried.events.sum() * 3 == pytest.approx(len(found.time))
    begins = np.cumsum((0, *found.sizes))
    assert carried.deliveries.sum() * 3 == pytest.approx(found.fan_out[begins[found.layer] + found.neuron].sum())
    assert carried.deliveries[:, 1] == pytest.approx(5 * carried.events[:, 1])
    assert (carried.most_events >= carried.events.max(0)).all()
    assert found.sizes[0] == CORE
    assert (carried.most_of_a_core == carried.most_events).all()


def test_a_command_writes_a_list(tmp_path):
    converted(CSS()).save(tmp_path / "a.safetensors")
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random((4, 1, 8, 8), dtype=np.float32))
    done = commands.run(tmp_path, "export", "--to", "events", "a.safetensors", "e.npz", "--data", "x.npz", "--limit", 2)
    assert done.returncode == 0, done.stderr
    assert "written to e.npz" in done.stdout
    assert "fan-out" in done.stdout
    with np.load(tmp_path / "e.npz") as file:
        assert str(file["format"]) == "canonic events 1"
        assert len(file["time"]) == len(file["level"]) > 0
        assert file["level"].dtype == np.int16
        assert set(file["level"]) <= {-1, 1}
        assert file["samples"] == 2
    refused = commands.run(tmp_path, "export", "--to", "events", "a.safetensors", "e.npz")
    assert refused.returncode == 2
    assert "--data names the samples" in refused.stderr
    refused = commands.run(tmp_path, "export", "--to", "int8", "a.safetensors", "e", "--data", "x.npz")
    assert refused.returncode == 2


def test_hdf5_holds_what_the_archive_of_numpy_does(tmp_path, monkeypatch):
    snn, x = converted(CSS()), torch.rand(2, 1, 8, 8)
    for name in ("e.npz", "e.h5"):
        save_events(snn, tmp_path / name, x)
    with np.load(tmp_path / "e.npz") as archive, h5py.File(tmp_path / "e.h5") as file:
        assert sorted(file) == sorted(archive)
        for name, array in archive.items():
            mine = file[name][()] if array.dtype.kind != "U" else file[name].asstr()[()]
            assert np.array_equal(mine, array), name
            assert array.dtype.kind == "U" or file[name].dtype == array.dtype
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ExportError, match="HDF5 needs the package h5py, which is not installed: pip install"):
        save_events(snn, tmp_path / "f.hdf5", x)
    assert not (tmp_path / "f.hdf5").exists()


def test_no_sample_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no sample to run"):
        save_events(converted(CSS()), tmp_path / "a", torch.zeros(0, 1, 8, 8))
