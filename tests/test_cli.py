"""The command line as a user meets it, in a folder of their own; once in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from canonic.cli.models import open_model
from tests.commands import run

NET = """
from torch import nn
def make():
    return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 10))
def bad():
    return nn.Sequential(nn.Linear(4, 4), Jump(), Jump())
class Jump(nn.Module):
    def forward(self, x):
        return x.round()
def nothing():
    return 42
def raises():
    raise KeyError("mean")
"""


def in_a_process(*arguments, cwd, check=None):
    command = [sys.executable, "-c", "from canonic.cli.main import main; main()", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "120", "OMP_NUM_THREADS": "1"}
    return as_wanted(subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment), check)


def canonic(*arguments, cwd, check=None):
    return as_wanted(run(cwd, *arguments, columns=120), check)


def as_wanted(done, check):
    if check is not None:
        assert done.returncode == check, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder with a model, its weights, and some data."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("user")
    (path / "net.py").write_text(NET)
    model = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 10))
    save_file(model.state_dict(), path / "w.safetensors")
    torch.save(model.state_dict(), path / "w.pt")
    torch.save({"state_dict": model.state_dict(), "epoch": 3}, path / "checkpoint.pt")
    torch.save(model, path / "pickle.pt")
    save_file({"0.weight": torch.zeros(6, 1, 5, 5), "extra": torch.zeros(1)}, path / "other.safetensors")
    (path / "truncated.safetensors").write_bytes((path / "w.safetensors").read_bytes()[:-50])
    (path / "truncated.pt").write_bytes((path / "w.pt").read_bytes()[:200])
    batch = torch.export.Dim("batch")
    torch.export.save(
        torch.export.export(model.eval(), (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: batch},)),
        path / "m.pt2",
    )
    (path / "damaged.pt2").write_bytes(b"nothing")
    np.savez(path / "data.npz", x=np.random.default_rng(0).random((30, 1, 8, 8)), y=np.arange(30) % 10)
    np.savez(path / "unlabelled.npz", x=np.random.default_rng(0).random((30, 1, 8, 8)))
    np.savez(path / "labels.npz", x=np.zeros((3, 1, 8, 8)), y=np.array([0, 1, 10]))
    return path


def test_convert_then_evaluate(folder, tmp_path):
    out = tmp_path / "net.safetensors"
    options = (
        "--weights",
        folder / "w.pt",
        "--data",
        "digits",
        "--limit",
        200,
        "-T",
        6,
        "--mean",
        ".3",
        "--std",
        ".3",
    )
    done = in_a_process("convert", "net:make", *options, "--out", out, cwd=folder, check=0)
    assert "population (relu)" in done.stdout
    assert "7 total steps" in done.stdout
    assert f"saved in {out}" in done.stdout
    assert done.stderr == ""  # no progress bar where the output is no terminal
    done = in_a_process("evaluate", out, "--data", "digits", "--limit", 100, cwd=folder, check=0)
    assert "100 samples; T = 6, k = 1, depth 1: 7 total steps" in done.stdout
    machine = in_a_process("evaluate", out, "--data", "digits", "--limit", 100, "--json", cwd=folder, check=0)
    result = json.loads(machine.stdout)
    assert result["data"]["samples"] == 100
    assert result["accuracy"]["agreement"] >= 0.9  # the preprocessing is remembered


@pytest.mark.parametrize("weights", ["w.safetensors", "w.pt", "checkpoint.pt"])
def test_weights_in_several_forms_make_the_same_network(folder, tmp_path, weights):
    out = tmp_path / "n.safetensors"
    options = ("--weights", weights, "--data", "data.npz", "-T", 8, "--out", out, "--json")
    described = json.loads(canonic("convert", "net:make", *options, cwd=folder, check=0).stdout)
    assert described["neurons"] == 384
    assert described["total_steps"] == 9
    program = canonic("convert", "m.pt2", "--data", "data.npz", "-T", 8, "--out", tmp_path / "p", cwd=folder, check=0)
    assert "9 total steps" in program.stdout


def test_weights_without_the_counters_of_batch_norm(tmp_path, monkeypatch):
    (tmp_path / "bn_net.py").write_text(
        "from torch import nn\ndef make(): return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))"
    )
    state = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).state_dict()
    save_file({name: t for name, t in state.items() if "num_batches" not in name}, tmp_path / "w.safetensors")
    monkeypatch.syspath_prepend(tmp_path)
    opened = open_model("bn_net:make", tmp_path / "w.safetensors")
    assert torch.equal(opened.state_dict()["0.weight"], state["0.weight"])


def test_silent_steps_by_measurement_and_verify(folder, tmp_path):
    out = tmp_path / "n.safetensors"
    options = ("--weights", "w.pt", "--data", "digits", "--limit", 100, "--silent", "auto", "--out", out)
    done = canonic("convert", "net:make", *options, cwd=folder, check=0)
    assert "k = 0, beta = 2" in done.stdout  # its only population gets all of its input at once
    assert "8 total steps" in done.stdout
    found = canonic("verify", out, "--data", "digits", cwd=folder, check=0).stdout
    assert found.split()[:7] == ["layer", "k", "SNR", "dB", "own", "dB", "overload"]
    assert "100 samples; outputs: output" in found
    assert "no layer stands out" in found
    machine = json.loads(canonic("verify", out, "--data", "digits", "--json", cwd=folder, check=0).stdout)
    assert machine["layers"][0]["silent"] == 0
    assert machine["outputs"]["output"] > 30


def test_a_network_of_whole_numbers(folder, tmp_path):
    out = tmp_path / "n.safetensors"
    options = ("--weights", "w.pt", "--data", "digits", "--limit", 200, "--precision", "int8", "--json", "--out", out)
    assert json.loads(canonic("convert", "net:make", *options, cwd=folder, check=0).stdout)["precision"] == "int8"
    machine = canonic("evaluate", out, "--data", "digits", "--limit", 100, "--json", cwd=folder, check=0)
    assert json.loads(machine.stdout)["accuracy"]["agreement"] >= 0.9


def test_explain(folder):
    done = canonic("explain", "net:make", "--shape", "1,8,8", cwd=folder, check=0)
    assert "function unit" in done.stdout
    assert "1 population, 1 function unit, 384 neurons, depth 1; T = 8, k = 1: 9 total steps" in done.stdout
    assert "384 neurons" in canonic("explain", "m.pt2", cwd=folder, check=0).stdout
    bad = canonic("explain", "net:bad", "--shape", "4", cwd=folder, check=1)
    assert "2 refused" in bad.stdout
    assert "it jumps" in bad.stdout
    machine = json.loads(canonic("explain", "net:make", "--shape", "1,8,8", "--json", cwd=folder, check=0).stdout)
    assert machine["neurons"] == 384
    once = canonic("explain", "net:make", "--shape", "1,8,8", "--input", "latency:4", cwd=folder, check=0).stdout
    assert "codes the input in latency:4, at most one spike for each number" in " ".join(once.split())
    assert "T = 8, k = 1: 12 total steps" in once


SWEEP = ("--data", "digits", "--calibration", "digits", "--out", "absent")

WRONG_USE = [
    (
        ("convert", "net:make", "--data", "digits", "-T", "25"),
        "steps must be a whole number from 1 to 24, got 25",
    ),
    (
        ("convert", "net:make", "--data", "digits", "-k", "9"),
        "silent must be a whole number from 0 to 8, got 9",
    ),
    (
        ("convert", "net:make", "--data", "digits", "--precision", "int4"),
        "precision must be one of fp32, bf16x2, bf16, int8",
    ),
    (("convert", "net:make", "--data", "digits", "-k", "few"), "--silent must be a whole number or auto, got 'few'"),
    (("convert", "net:make", "--data", "digits", "--beta", "3"), "beta must lie between 1 and 3"),
    (("convert", "net:make", "--data", "digits", "--phi", "0.9"), "phi must lie in [0.5, 0.75]"),
    (("convert", "net:make", "--data", "digits", "--threshold", "best"), "threshold must be one of"),
    (("convert", "net:make", "--data", "digits", "--std", "0"), "std must be positive"),
    (("convert", "net:make", "--data", "digits", "--mean", "a,b"), "could not convert string to float"),
    (("convert", "net:make"), "Missing option '--data'"),
    (("convert", "net:make", "--data", "digits", "--out", "absent/n"), "--out must be a file in a folder that exists"),
    (("convert", "net:make", "--data", "digits", "--percentile", "90"), "has no effect on --threshold mse"),
    (("explain", "net:make", "--shape", "1x8x8"), "--shape must be sizes such as 3,32,32"),
    (("sweep", "net:make", *SWEEP, "-T", "4,x"), "invalid literal for int() with base 10: 'x'"),
    (("sweep", "net:make", *SWEEP, "-k", "1,few"), "--silent must be a whole number or auto, got 'few'"),
    (("sweep", "net:make", *SWEEP, "--threshold", "best"), "threshold must be one of"),
    (("sweep", "net:make", *SWEEP, "--energy", "joule"), "horowitz45, traffic45, tiled45, got 'joule'"),
    (("nothing",), "No such command 'nothing'"),
]

CANNOT = [
    (
        ("convert", "net:bad", "--data", "digits"),
        "the model cannot be run with inputs of shape",
    ),
    (("convert", "net:nothing", "--data", "digits"), "net:nothing() returned int, not an nn.Module"),
    (
        ("convert", "net:raises", "--data", "digits"),
        "net:raises() raised KeyError: 'mean'; it must work without arguments",
    ),
    (
        ("convert", "m.pt2", "--data", "digits", "--weights", "w.pt"),
        "m.pt2 holds its own weights: leave out --weights w.pt",
    ),
    (("convert", "net:missing", "--data", "digits"), "cannot import net:missing"),
    (("convert", "absent:make", "--data", "digits"), "cannot import absent:make: No module named 'absent'"),
    (
        ("convert", "net", "--data", "digits"),
        "'net' names no model: give file.pt2, or package.module:function",
    ),
    (("convert", "damaged.pt2", "--data", "digits"), "damaged.pt2 is damaged or no exported program"),
    (("convert", "absent.pt2", "--data", "digits"), "there is no exported program absent.pt2"),
    (("convert", "net:make", "--data", "absent"), "there is no data 'absent'"),
    (
        ("convert", "net:make", "--data", "digits", "--weights", "absent.pt"),
        "there is no weights file absent.pt",
    ),
    (
        ("convert", "net:make", "--data", "digits", "--weights", "pickle.pt"),
        "is a pickle that holds more than tensors",
    ),
    (("convert", "net:make", "--data", "digits", "--weights", "truncated.pt"), "truncated.pt is truncated"),
    (
        ("convert", "net:make", "--data", "digits", "--weights", "truncated.safetensors"),
        "truncated.safetensors is truncated",
    ),
    (
        ("convert", "net:make", "--data", "digits", "--weights", "other.safetensors"),
        "does not fit the model (it lacks: 0.bias, 4.bias, 4.weight; unknown to the model: extra; other shapes: 0.weight)",
    ),
    (("evaluate", "absent.safetensors", "--data", "digits"), "there is no file absent.safetensors"),
    (
        ("evaluate", "net.py", "--data", "digits"),
        "net.py is no network that canonic convert or canonic train wrote, or it is damaged (",
    ),
    (("evaluate", "w.safetensors", "--data", "digits"), "w.safetensors holds no network, but tensors alone"),
    (("explain", "net:make"), "the shape of one sample is not known: give it, for example --shape 3,32,32"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG_USE, ids=[m for _, m in WRONG_USE])
def test_wrong_usage_ends_with_2(folder, arguments, message):
    command = in_a_process if "best" in arguments else canonic  # types are checked here, which users do not do
    done = command(*arguments, cwd=folder, check=2)
    assert message.replace(" ", "") in "".join(c for c in done.stderr if c not in " \n│")


@pytest.mark.parametrize(("arguments", "message"), CANNOT, ids=[m for _, m in CANNOT])
def test_what_cannot_be_done_ends_with_1_and_one_message(folder, arguments, message):
    before = sorted(os.listdir(folder))
    done = canonic(*arguments, cwd=folder, check=1)
    assert all(line.startswith(("canonic: ", "  ")) for line in done.stderr.splitlines())
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [name for name in sorted(os.listdir(folder)) if name != "__pycache__"] == [
        name for name in before if name != "__pycache__"
    ]


def test_a_label_that_the_network_does_not_know(folder, tmp_path):
    out = tmp_path / "n.safetensors"
    canonic("convert", "net:make", "--data", "digits", "--limit", 50, "--out", out, cwd=folder, check=0)
    done = canonic("evaluate", out, "--data", "labels.npz", cwd=folder, check=1)
    assert "a label lies outside 0 .. 9" in done.stderr


def test_a_regression(tmp_path):
    make = "import torch\ndef make(): return torch.nn.Sequential(torch.nn.Linear(6, 9), torch.nn.ReLU(), last)"
    (tmp_path / "fit.py").write_text(f"{make}\nlast = torch.nn.Linear(9, 2)")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 2))
    torch.save(model.state_dict(), tmp_path / "w.pt")
    x = torch.randn(40, 6)
    np.savez(tmp_path / "d.npz", x=x.numpy(), y=model(x).detach().double().numpy())
    canonic("convert", "fit:make", "--weights", "w.pt", "--data", "d.npz", "--out", "n", cwd=tmp_path, check=0)
    assert "mean squared error" in canonic("evaluate", "n", "--data", "d.npz", cwd=tmp_path, check=0).stdout
    found = json.loads(canonic("evaluate", "n", "--data", "d.npz", "--json", cwd=tmp_path, check=0).stdout)
    assert found["task"] == "regression"
    assert found["error"]["source_mse"] < 1e-12
    assert found["error"]["mse"] < 1e-3
    alone = canonic("evaluate", "n", "--data", "d.npz", "--no-source", cwd=tmp_path, check=0).stdout
    assert f"mean squared error {found['error']['mse']:.4g}\n" in alone


def test_data_without_labels_converts_and_verifies(folder, tmp_path):
    out = tmp_path / "n.safetensors"
    data = ("--data", "unlabelled.npz")
    canonic("convert", "net:make", *data, "--out", out, cwd=folder, check=0)
    assert "30 samples; outputs: output" in canonic("verify", out, *data, cwd=folder, check=0).stdout
    done = canonic("evaluate", out, *data, cwd=folder, check=0)
    assert done.stderr == (
        "canonic: unlabelled.npz holds no labels: add the array y to it, whole numbers or names [samples] as classes, or "
        "floating point [samples, ...] as what the output should be\n"
    )
    assert "agreement %" in done.stdout
    assert "no labels: compared with the source network alone" in done.stdout
    alone = canonic("evaluate", out, *data, "--no-source", cwd=folder, check=0).stdout
    assert "no labels, and compared with no source network" in alone
    assert "spikes per neuron" in alone
    assert "source network takes" not in alone
    assert "dB" not in alone
    done = canonic("evaluate", out, *data, "--output", "logits", cwd=folder, check=1)
    assert "canonic: the network has no output 'logits': known are output" in done.stderr


def test_help_comes_in_well_under_a_second(folder):
    canonic("--help", cwd=folder, check=0)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        canonic("--help", cwd=folder, check=0)
        times.append(time.perf_counter() - start)
    heavy = "import sys; from canonic.cli import main; assert not {'torch', 'matplotlib', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", heavy], check=True)
    assert min(times) < 5  # a sanity bound for slow machines; the line above is the check


INTERRUPTED_IMPORTS = {
    "escapes": "raise KeyboardInterrupt",
    "as numpy": "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(9)\n"
    "except KeyboardInterrupt: raise ImportError('numpy failed to import') from None",
    "as an extension": "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(9)\n"
    "except KeyboardInterrupt: raise SystemError('initialization failed') from None",
}


@pytest.mark.parametrize("end", INTERRUPTED_IMPORTS.values(), ids=INTERRUPTED_IMPORTS)
@pytest.mark.parametrize("module", ["torch", "numpy"])
def test_an_interrupt_during_an_import(tmp_path, end, module):
    (tmp_path / f"{module}.py").write_text(f"import os, signal, time\n{end}\n")  # found before the real one
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{listen}; from canonic.cli.main import main; main()"
    command = [sys.executable, "-c", program, "convert", "net:make", "--data", "digits"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.strip() == "canonic: interrupted; nothing was left half-written"


def test_an_interrupt_leaves_nothing_half_written(folder, tmp_path):
    # A process started in the background inherits that it ignores Ctrl-C; a terminal's does not.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{listen}; from canonic.cli.main import main; main()"]
    running = subprocess.Popen([*command, "demo", "--out", str(tmp_path / "demo")], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "demo").exists() and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted" in errors
    assert not [p for p in (tmp_path / "demo").glob("*") if p.name.startswith(".")]
