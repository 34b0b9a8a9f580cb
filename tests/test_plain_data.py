"""Results as plain data: every key is an identifier, and older files are read, or refused by name."""

import json
from collections.abc import Mapping
from dataclasses import asdict

import pytest
import torch
from torch import nn

from canonic import CSS, StorageError, convert, evaluate, explain, load
from canonic.network.storage import save_plan
from canonic.sweep import grid, sweep
from canonic.sweep.folder import open_folder

NAMES = ("layers", "outputs", "dead_channels", "repair_db", "overrides")
"""Keys whose values are kept by the names of layers, which are data."""


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    data = [(torch.randn(20, 6), torch.randint(3, (20,)))]
    return model, data, convert(model, [torch.randn(50, 6)], code=CSS(steps=4))


def keys(value):
    """Yield every key of plain data that is no name of a layer."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from (k for layer in inner.values() for k in keys(layer)) if named(key, inner) else keys(inner)
    elif isinstance(value, list | tuple):
        yield from (key for item in value for key in keys(item))


def named(key, inner):
    return key in NAMES and isinstance(inner, Mapping)


def test_every_key_is_an_identifier(parts, tmp_path):
    model, data, snn = parts
    results = {
        "evaluate": evaluate(snn, data, baselines=20).to_json(),
        "verify": snn.verify(data).to_json(),
        "convert": snn.describe(),
        "explain": asdict(explain(model, data[0][0])),
        "sweep": sweep(model, data, data, grid(steps=(3,)), tmp_path).to_json(),
        "folder": [json.loads(file.read_text()) for file in tmp_path.glob("*.json")],
    }
    assert [key for key in keys(results) if not key.isidentifier()] == []


def test_the_record_of_an_older_file_is_read(parts, tmp_path):
    _, _, snn = parts
    save_plan(tmp_path / "old", snn.plan, {"dead channels": {"1": 2}, "repair dB": {}, "calibration samples": 50})
    assert load(tmp_path / "old").record == {"dead_channels": {"1": 2}, "repair_db": {}, "calibration_samples": 50}


def test_the_folder_of_an_older_sweep_is_refused_by_name(tmp_path):
    (tmp_path / "sweep.json").write_text('{"format": "canonic sweep 1", "identity": {}}')
    with pytest.raises(StorageError, match="of the format 'canonic sweep 1', this version goes on with 'canonic sw"):
        open_folder(tmp_path, {})
