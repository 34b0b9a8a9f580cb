"""The dataflow that keeps membranes at the adders: its counts block by block, its energy written out."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from canonic import CSS, DataError, convert, evaluate
from canonic.learn import LIF, Population, as_network
from canonic.measure.comparison import energy_rows
from canonic.measure.energy import INTEGERS, Work, access
from canonic.measure.facts import facts
from canonic.measure.reuse import Reuse
from canonic.measure.tiled import COLUMNS, ROWS, held, moved
from tests.commands import run

X = torch.rand(6, 2, 6, 6, generator=torch.Generator().manual_seed(0))


def network(code=None):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 20, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(20, 40, 3, stride=2, padding=1, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(360, 33),
    )
    return convert(model, [X], code=code or CSS(4, 1), progress=False)


@pytest.mark.parametrize("shape", [(2, 20, 3, 1, 1), (20, 40, 3, 2, 2), (40, 40, 3, 1, 40)])
def test_what_is_read_is_counted_block_by_block(shape):
    given, outputs, size, stride, groups = shape
    torch.manual_seed(1)
    conv = nn.Conv2d(given, outputs, size, stride, 1, groups=groups)
    eye = torch.eye(given * 36).view(-1, given, 6, 6)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        reached = (nn.functional.conv2d(eye, conv.weight, None, stride, 1, 1, groups) != 0).flatten(2)
    events = torch.randint(0, 3, (given * 36,), generator=torch.Generator().manual_seed(2))
    places, per = reached.shape[2], outputs // groups
    read = weights = 0
    for first in range(0, places, ROWS):
        weights += conv.weight.numel()
        for group, start in product(range(groups), range(0, per, COLUMNS)):
            block = reached[:, group * per + start : group * per + min(start + COLUMNS, per), first : first + ROWS]
            read += int((events[:, None] * block.any(1)).sum())
    additions = float((events[:, None, None] * reached).sum())
    work = Work(additions=additions, weights=conv.weight.numel(), reuse=Reuse(places, per))
    assert moved(work) == pytest.approx((weights, read, 0))


def test_reuse_is_told_by_the_weights():
    found = facts(snn := network())
    sizes = [found.sizes[node.name].reuse for node in snn.graph.nodes if node.weighted]
    assert sizes == [Reuse(36, 20), Reuse(9, 20), Reuse(1, 33)]


def test_energy_written_out():
    work = Work(
        additions=160.0,
        multiplications=32.0,
        weights=50,
        inputs=64,
        outputs=100,
        updates=7.0,
        event_driven=True,
        reuse=Reuse(places=20, channels=16),
    )
    found, e = held(work, INTEGERS), INTEGERS
    assert found == pytest.approx(
        [
            1e-6 * 199 * e.add,
            1e-6 * 100 * access(50.0, 8),
            1e-6 * (10 * access(64 * 6 / 8, 6) + 2 * access(64.0, 8)),
        ]
    )
    written = held(replace(work, event_driven=False), INTEGERS)
    assert written.streams - found.streams == pytest.approx(1e-6 * 100 * access(100.0, 8))


def test_the_forms_of_a_network():
    snn = network(CSS(4, 0, levels=4))
    rows = energy_rows(evaluate(snn, [X], progress=False), "tiled45")
    by = {row["id"]: row for row in rows}
    assert list(by)[:2] == ["spiking", "spiking_sized"]
    assert by["source_int8_sparse"]["total"] < by["source_int8"]["total"] < by["source_fp32"]["total"]
    assert by["spiking_sized"]["memory"] < by["spiking"]["memory"]
    assert all(row["total"] == row["compute"] + row["memory"] for row in rows)
    halves = [evaluate(snn, [part], progress=False) for part in (X[:2], X[2:])]
    merged = energy_rows(halves[0] + halves[1], "tiled45")
    assert [row["total"] for row in merged] == pytest.approx([row["total"] for row in rows])


def trained(recurrent=None):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 30), Population(LIF(), recurrent=recurrent), nn.Linear(30, 20)).eval()
    return as_network(net, torch.rand(2, 4), steps=3)


def test_of_a_trained_network_each_layer_is_done_in_one_go_unless_it_reads_itself():
    x = [torch.rand(5, 4)]
    found = evaluate(trained(), x, progress=False)
    assert found.models == ("horowitz45", "traffic45", "tiled45")
    (row,) = energy_rows(found, "tiled45")
    assert 0 < row["memory"] < energy_rows(found, "traffic45")[0]["memory"]
    recurrent = trained(nn.Linear(30, 30))
    assert evaluate(recurrent, x, progress=False).models == ("horowitz45", "traffic45")
    with pytest.raises(DataError, match="tiled45 cannot be estimated of this network, as its neurons read their own"):
        evaluate(recurrent, x, energy=["tiled45"], progress=False)


def test_commands_name_it(tmp_path):
    network().save(tmp_path / "a.safetensors")
    np.savez(tmp_path / "x.npz", x=X.numpy())
    shown = run(tmp_path, "evaluate", "a.safetensors", "--data", "x.npz", "--energy", "tiled45,horowitz45", "--json")
    assert list(json.loads(shown.stdout)["energy"]["models"]) == ["horowitz45", "tiled45"]
    refused = run(tmp_path, "evaluate", "a.safetensors", "--data", "x.npz", "--energy", "tile")
    assert refused.returncode == 2
    assert "horowitz45, traffic45, tiled45, got" in refused.stderr
