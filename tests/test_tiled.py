"""The dataflow that keeps membranes at the adders: its counts block by block, its energy written out."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn

from canonic import CSS, DataError, convert, evaluate
from canonic.learn import LIF, Population, as_network
from canonic.measure.energy import INTEGERS, Work, access
from canonic.measure.tiled import COLUMNS, ROWS, Reuse, _energy, moved, reuse_of, tiled

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
    work = Work(additions=float((events[:, None, None] * reached).sum()), weights=conv.weight.numel())
    assert moved(work, Reuse(places, per)) == pytest.approx((weights, read, 0))


def test_reuse_is_told_by_the_weights():
    found = [reuse_of(node) for node in network().graph.nodes if node.weighted]
    assert found == [Reuse(36, 20), Reuse(9, 20), Reuse(1, 33)]


def test_energy_written_out():
    work = Work(
        additions=160.0, multiplications=32.0, weights=50, inputs=64, outputs=100, updates=7.0, event_driven=True
    )
    found = _energy(work, INTEGERS, Reuse(places=20, channels=16))
    e = INTEGERS
    assert found == pytest.approx(
        [
            1e-6 * (160 * e.add + 32 * (e.multiply + e.add) + 7 * e.add),
            1e-6 * 199 * e.add,
            1e-6 * 100 * access(50.0, 8),
            1e-6 * (10 * access(64 * 6 / 8, 6) + 2 * access(64.0, 8)),
        ]
    )
    written = _energy(replace(work, event_driven=False), INTEGERS, Reuse(20, 16))
    assert written[3] - found[3] == pytest.approx(1e-6 * 100 * access(100.0, 8))


def test_the_forms_of_a_network():
    snn = network(CSS(4, 0, levels=4))
    rows = tiled(snn, evaluate(snn, [X], progress=False))
    assert [row.form for row in rows] == ["spiking", "spiking_sized", "source_int8", "source_int8_sparse"]
    by = {row.form: row for row in rows}
    assert by["source_int8_sparse"].total < by["source_int8"].total
    assert by["source_int8_sparse"].weights == by["source_int8"].weights
    assert by["spiking_sized"].registers < by["spiking"].registers
    halves = [evaluate(snn, [part], progress=False) for part in (X[:2], X[2:])]
    merged = tiled(snn, halves[0] + halves[1])
    assert [row.total for row in merged] == pytest.approx([row.total for row in rows])


def test_what_is_no_converted_network_is_refused():
    snn, net = network(), nn.Sequential(nn.Linear(4, 3), Population(LIF()), nn.Linear(3, 2)).eval()
    trained, x = as_network(net, torch.rand(2, 4), steps=3), [torch.rand(2, 4)]
    with pytest.raises(DataError, match="is of converted networks beside their source"):
        tiled(trained, evaluate(trained, x, progress=False))
    with pytest.raises(DataError, match="the evaluation is of another network: evaluate this one"):
        tiled(snn, evaluate(network(CSS(3, 1)), [X], progress=False))
    alone = evaluate(snn, [X], reference=None, progress=False)
    with pytest.raises(DataError, match="evaluate one with its source"):
        tiled(snn, alone)
