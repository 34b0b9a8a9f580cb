"""Sweeps: every setting once, whatever kills them on the way; and the settings that no other beats."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from typer.testing import CliRunner

from canonic import CSS, DataError, Settings, StorageError, convert, evaluate
from canonic.cli.main import app
from canonic.errors import ClusterError
from canonic.report import save_figure
from canonic.report.fronts import pareto_fronts
from canonic.sweep import Outcome, Setting, Sweep, grid, run, sweep
from canonic.sweep.pareto import front
from tests.groups import in_group, results

MIXED = Setting(code="css:4", layers=(("1", "rate:4"),))
GRID = (*grid(steps=(2, 4), silent=(0, 3, "auto"), precision=("fp32", "int8")), MIXED)


def model(seed=1):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)).eval()


def known():
    return list(torch.randn(60, 6, generator=torch.Generator().manual_seed(2)).split(20))


def unseen(seed=3):
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(n, 6, generator=generator), torch.randint(3, (n,), generator=generator)) for n in (20, 20, 7)]


def swept(folder, settings=GRID, **options):
    return sweep(model(), known(), unseen(), settings, folder, progress=False, **options)


def without_times(folder):
    """Return what is in a folder, by the names of the files."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        content = json.loads(file.read_text())
        content.pop("seconds", None)
        if content.get("evaluation"):
            content["evaluation"]["latency"].pop("wall")
        found[file.name] = json.dumps(content)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sweep that nothing interrupts, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return swept(folder), folder


def test_a_setting_gives_what_convert_and_evaluate_give(whole):
    found, _ = whole
    assert [outcome.setting for outcome in found.outcomes] == list(GRID)
    setting = Setting(4, "auto", precision="int8")
    snn = convert(model(), known(), code=CSS(4), settings=Settings(silent="auto")).to_precision("int8")
    wanted = json.loads(json.dumps(evaluate(snn, unseen()).to_json()))
    outcome = found.outcomes[GRID.index(setting)]
    assert {**outcome.evaluation, "latency": None} == {**wanted, "latency": None}
    assert outcome.accuracy == wanted["accuracy"]["network"]
    assert outcome.total_steps == snn.total_steps
    assert outcome.energy("traffic45") > outcome.energy("tiled45") > outcome.energy() > 0


def test_a_setting_that_cannot_be_is_recorded_with_its_reason(whole):
    refused = [outcome for outcome in whole[0].outcomes if outcome.evaluation is None]
    assert [str(o.setting) for o in refused] == ["T2-k3-phi0.5-mse-fp32", "T2-k3-phi0.5-mse-int8"]
    assert "silent must be a whole number from 0 to 2, got 3" in refused[0].refused
    assert (refused[0].accuracy, refused[0].energy(), refused[0].total_steps) == (None, None, None)


class Interrupted:
    """An evaluation that is interrupted at the n-th call."""

    def __init__(self, n, how):
        self.n, self.how = n, how

    def __call__(self, *arguments, **options):
        self.n -= 1
        return self.how() if self.n == 0 else evaluate(*arguments, **options)


def raise_interrupt():
    raise KeyboardInterrupt


def test_after_an_interrupt_it_goes_on_where_it_stopped(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "evaluate", Interrupted(4, raise_interrupt))
    with pytest.raises(KeyboardInterrupt, match=r"interrupted: 3 of 13 settings done and kept in .*; the same comm"):
        swept(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("T*")}
    assert len(before) == 3
    monkeypatch.undo()
    found = swept(tmp_path)
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())
    assert without_times(tmp_path) == without_times(whole[1])
    assert found.to_json() == whole[0].to_json()
    monkeypatch.setattr(run, "evaluate", Interrupted(1, raise_interrupt))
    assert swept(tmp_path).outcomes == found.outcomes  # nothing is measured again


def test_an_evaluation_that_saw_only_a_part_of_the_data_is_not_kept(tmp_path, monkeypatch):
    def partial(snn, data, **options):
        data = iter(data)

        def some():
            yield next(data)
            raise KeyboardInterrupt

        return evaluate(snn, some(), **options)

    monkeypatch.setattr(run, "evaluate", partial)
    with pytest.raises(KeyboardInterrupt, match="interrupted: 0 of 1 setting done"):
        swept(tmp_path, GRID[:1])


def killed(group, folder):
    run.evaluate = Interrupted(6, lambda: os.kill(os.getpid(), signal.SIGKILL))
    swept(folder)


def test_a_killed_sweep_loses_nothing(whole, tmp_path):
    (process,) = in_group(1, killed, tmp_path)
    assert process.code == -signal.SIGKILL
    assert len(list(tmp_path.glob("T*"))) >= 5
    swept(tmp_path)
    assert without_times(tmp_path) == without_times(whole[1])
    assert not list(tmp_path.glob(".*"))


def in_share(group, folder):
    return swept(folder)


@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_the_settings(whole, tmp_path, world):
    for found in results(world, in_share, tmp_path):
        assert found.to_json() == whole[0].to_json()
    assert without_times(tmp_path) == without_times(whole[1])


def with_other_data(group, folder):
    return sweep(model(), known(), unseen(3 + group.rank), GRID[:1], folder, progress=False)


def test_processes_that_have_different_data_are_stopped(tmp_path):
    for error in results(2, with_other_data, tmp_path):
        assert isinstance(error, ClusterError)
        assert "the processes differ in the data: give all of them the same" in str(error)


def loses_one(group, folder):
    if group.rank == 1:
        run.evaluate = Interrupted(2, lambda: os._exit(9))
    return swept(folder, grid(steps=(2, 3, 4, 5)))


def test_a_lost_process_ends_a_sweep_that_goes_on_later(tmp_path):
    first, lost = in_group(2, loses_one, tmp_path)
    assert lost.code == 9
    assert isinstance(first.result, ClusterError)
    assert "lost contact" in str(first.result)
    assert "1 of 4 settings done and kept in" in str(first.result)
    assert len(swept(tmp_path, grid(steps=(2, 3, 4, 5))).outcomes) == 4


def test_results_of_something_else_are_not_mixed(whole, tmp_path):
    swept(tmp_path, GRID[:1])
    with pytest.raises(StorageError, match="holds a sweep with another network, and results are not mixed: choose"):
        sweep(model(7), known(), unseen(), GRID, tmp_path)
    with pytest.raises(StorageError, match="with another data, and"):
        sweep(model(), known(), unseen(8), GRID, tmp_path)
    with pytest.raises(StorageError, match="with another data, and"):
        sweep(model(), known(), unseen()[:2], GRID, tmp_path)
    with pytest.raises(StorageError, match="with another calibration data, and"):
        sweep(model(), known()[:2], unseen(), GRID, tmp_path)
    assert len(swept(tmp_path, GRID[:2]).outcomes) == 2  # more settings of the same are welcome


def test_data_that_changes_behind_the_first_batch_is_noticed(tmp_path):
    swept(tmp_path, GRID[:1])
    other = [unseen()[0], *unseen(8)[1:]]
    with pytest.raises(StorageError, match="measured on different data: it changed on the way"):
        sweep(model(), known(), other, GRID[:2], tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (iter([]), "a sweep reads the data once for every setting: pass a DataLoader or a list, no generator"),
        ([], "the evaluation data is empty"),
        ([(torch.zeros(2, 6), torch.zeros(2, 4))], "the targets have the shape"),
        ([(torch.zeros(2, 6), torch.tensor([0, 3]))], "a label lies outside"),
    ],
)
def test_data_that_does_not_fit(tmp_path, data, message):
    with pytest.raises(DataError, match=message):
        sweep(model(), known(), data, GRID[:1], tmp_path)


def test_without_classes_settings_are_compared_by_how_near_the_source_they_are(tmp_path):
    x = torch.cat(known())
    settings, targets = grid(steps=(3, 6)), [(x, torch.zeros(60, 3))]
    for data, name in ((targets, "targets"), ([x], "none")):
        found = sweep(model(), known(), data, settings, tmp_path / name, progress=False)
        few, many = found.outcomes
        assert (few.accuracy, many.accuracy) == (None, None)
        assert few.quality == few.snr == few.evaluation["error"]["snr_db"] < many.snr
        assert found.saving_steps == found.outcomes
        assert next(axes.get_ylabel() for axes in pareto_fronts(found).axes) == "output against the source (dB)"
    assert few.agreement is not None
    with pytest.raises(DataError, match="the network has no output 'logits': known are output"):
        sweep(model(), known(), [x], settings, tmp_path, output="logits", progress=False)


class Short:
    """Data that announces more than it holds."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)

    def __len__(self):
        return 9


def test_data_that_ends_early(tmp_path):
    with pytest.raises(DataError, match="the data ended after 3 of 9 batches: its __len__ is wrong"):
        sweep(model(), known(), Short(unseen()), GRID[:1], tmp_path)
    with pytest.raises(DataError, match="the calibration data ended after 3 of 9 batches: its __len__ is wrong"):
        sweep(model(), Short(known()), unseen(), GRID[:1], tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    swept(tmp_path, GRID[:1])
    file = next(tmp_path.glob("T*"))
    file.write_text(file.read_text()[:100])
    with pytest.raises(StorageError, match=f"{file.name} is damaged .*: remove it, and the sweep makes it again"):
        swept(tmp_path, GRID[:1])
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StorageError, match="cannot make the folder"):
        swept(blocked)


def test_a_grid_has_each_combination_once():
    assert len(set(GRID)) == 13
    assert grid(steps=(4, 4)) == (Setting(4),)


POINTS = st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.7, 0.9]), st.sampled_from([1.0, 2.0, 3.0, 4.0])), max_size=12)


@given(POINTS)
def test_the_front_is_what_nothing_beats(points):
    def beaten(point):
        return any(g >= point[0] and c <= point[1] and (g, c) != point for g, c in points)

    assert front(points) == tuple(not beaten(point) for point in points)


def outcome(steps, accuracy, energy):
    rows = [{"id": "source_fp32", "total": 99.0}, {"id": "spiking", "total": energy}]
    tiled = [{"id": "spiking", "total": 9.0 - energy}]
    found = {
        "network": {"total_steps": steps},
        "data": {"sha256": "0"},
        "accuracy": {"network": accuracy, "agreement": 1.0},
        "output": "output",
        "outputs": {"output": {"agreement": 1.0}},
        "error": {"snr_db": None},
        "energy": {"models": {"horowitz45": {"rows": rows}, "tiled45": {"rows": tiled}}},
    }
    return Outcome(Setting(steps), found, "", {})


def test_both_fronts_are_marked_and_drawn(tmp_path):
    found = Sweep((outcome(4, 0.8, 1.0), outcome(5, 0.9, 3.0), outcome(6, 0.9, 2.0), outcome(7, 0.7, 4.0)))
    rows = found.to_json()
    assert [row["on_front_of_steps"] for row in rows] == [True, True, False, False]
    assert [row["on_front_of_energy"] for row in rows] == [True, False, True, False]
    tiled = replace(found, model="tiled45")
    assert [row["on_front_of_energy"] for row in tiled.to_json()] == [False, True, False, True]
    assert pareto_fronts(tiled).axes[0].get_xlabel() == "energy a sample (uJ), estimated by tiled45"
    figure = pareto_fronts(found, "test")
    save_figure(figure, tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert [len(axes.texts) for axes in figure.axes] == [2, 2]


NET = """
import torch
from torch import nn
def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 10))
"""


DIGITS = ("--data", "digits", "--calibration", "digits")


def test_the_command_under_torchrun_prints_once_and_what_one_process_prints(tmp_path, monkeypatch):
    (tmp_path / "swept_net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    options = ["sweep", "swept_net:make", *DIGITS, "--limit", "100", "-T", "2,4", "-k", "1,auto"]
    alone = CliRunner().invoke(app, [*options, "--out", "alone"])
    assert alone.exit_code == 0, alone.output
    assert alone.stdout.count("mse") == 4
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "canonic"]
    two = subprocess.run([*torchrun, *options, "--out", "two"], capture_output=True, text=True, check=True, timeout=120)
    assert two.stdout == alone.stdout.replace("alone", "two")
    assert without_times(tmp_path / "two") == without_times(tmp_path / "alone")
    assert (tmp_path / "two" / "fronts.png").exists()
    rows = json.loads(CliRunner().invoke(app, [*options, "--out", "two", "--energy", "tiled45", "--json"]).stdout)
    kept = [json.loads(path.read_text()) for path in (tmp_path / "two").glob("*.json")]
    models = [found["evaluation"]["energy"]["models"] for found in kept if "evaluation" in found]
    assert {row["energy"] for row in rows} == {model["tiled45"]["rows"][0]["total"] for model in models}
    assert [(row["steps"], row["silent"]) for row in rows] == [(2, 1), (2, "auto"), (4, 1), (4, "auto")]
