"""NIR: maps that it has no node for, spike for spike, and their weights as they were."""

import nir
import pytest
import torch
from torch import nn

import canonic
from canonic import CSS
from canonic.errors import CanonicError, ExportError, StorageError
from canonic.export.nir import from_nir, load_nir, save_nir
from tests.networks import build
from tests.test_nir import hostile, replaced, require_same_spikes

MAPS = [
    *("conv3d", "transposed 1d", "transposed 2d", "transposed 3d", "transposed bn", "linear on the last axis"),
    *("adaptive", "mean over channels", "sum", "pixel shuffle", "nearest", "bilinear", "shared by two"),
    *("max pooling with holes", "max pooling 1d", "max pooling 3d", "max over channels", "twice the same"),
    *("pooling without channels", "max pooling without channels", "reflected padding", "broadcast sum"),
]


def converted(name, code=None):
    torch.manual_seed(0)
    model, shape = build(name)
    x = torch.randn(64, *shape)
    return canonic.convert(model.float(), [x], code=code or CSS(), progress=False), x


@pytest.mark.parametrize("name", MAPS)
def test_maps_of_all_kinds(name, tmp_path):
    snn, x = converted(name)
    snn = require_same_spikes(snn, x[:16], tmp_path / "a.nir")
    again = load_nir(tmp_path / "a.nir")
    for node in snn.graph.nodes:
        assert all(torch.equal(again.graph[node.name].tensors[key], t) for key, t in node.tensors.items()), node.name


@pytest.mark.parametrize("name", ["transposed 2d", "constant padding"])
def test_maps_of_a_rate_code(name, tmp_path):
    """A bias that comes with every step, and may be another at each place."""
    snn, x = converted(name, "rate:8")
    require_same_spikes(snn, x[:4], tmp_path / "a.nir")


GEOMETRIES = [
    ((3, 5, 4), nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)),
    ((4, 5, 4), nn.ConvTranspose2d(4, 6, (2, 3), (3, 2), (2, 0), (1, 0), groups=2, dilation=(2, 1))),
    ((2, 7, 6, 5), nn.Conv3d(2, 4, (3, 2, 3), (2, 1, 2), (1, 1, 0), (1, 2, 1))),
    ((4, 5, 4, 5), nn.Conv3d(4, 6, 2, 2, 1, groups=2)),
]


@pytest.mark.parametrize(("shape", "layer"), GEOMETRIES)
def test_any_stride_margin_and_hole(shape, layer, tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)).eval()
    x = torch.randn(32, *shape)
    net(x)
    snn = canonic.convert(net, [x], code=CSS(), progress=False)
    require_same_spikes(snn, x[:4], tmp_path / "a.nir")


@pytest.mark.parametrize(
    ("name", "kind"), [("permute", "Flatten that is a move"), ("max pooling", "that is a maximum")]
)
def test_what_the_key_changes_is_not_read_as_a_plain_graph(name, kind, tmp_path):
    save_nir(converted(name)[0], tmp_path / "a.nir")
    with pytest.raises(ExportError, match=f"{kind}, by the key 'canonic', which load_nir reads"):
        from_nir(tmp_path / "a.nir")


def test_the_package_of_nir_reads_moves_unless_it_checks_their_types(tmp_path):
    save_nir(converted("permute")[0], tmp_path / "a.nir")
    assert nir.read(tmp_path / "a.nir", type_check=False).nodes["permute"].metadata
    with pytest.raises(ValueError, match="type"):
        nir.read(tmp_path / "a.nir")


@pytest.mark.parametrize("groups", [0, 5, -1, "2", [1]])
def test_groups_that_are_none_are_refused(groups, tmp_path):
    save_nir(converted("transposed 2d")[0], path := tmp_path / "a.nir")

    def change(file):
        text = file["node/metadata/canonic"][()].decode()
        replaced(
            file,
            "node/metadata/canonic",
            text.replace("[3, 6, 3, 3], 1]", f"[3, 6, 3, 3], {groups!r}]".replace("'", '"')),
        )

    hostile(change)(path)
    with pytest.raises((StorageError, CanonicError), match="a.nir is damaged|no network"):
        load_nir(path)
