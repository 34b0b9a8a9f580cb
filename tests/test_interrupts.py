"""Ctrl-C at the very end: what was measured is said whole, and the process ends as it would have ended."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from canonic import CSS, convert, evaluate
from canonic.cli.evaluation import to_the_end
from canonic.cli.group import finish, interrupts, print_json


def press():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def snn():
    torch.manual_seed(0)
    return convert(nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3)), [torch.randn(20, 6)], code=CSS(3))


@pytest.fixture
def loader():
    return DataLoader(TensorDataset(torch.randn(12, 6), torch.randint(3, (12,))), batch_size=4)


def test_it_interrupts_until_the_end_and_not_behind_it(ctrl_c):
    with interrupts() as seen:
        with pytest.raises(KeyboardInterrupt):
            press()
        finish()
        press()
    press()
    assert seen == [signal.SIGINT]


def test_a_process_that_ignores_ctrl_c_or_is_no_command_is_left_alone(ctrl_c):
    finish()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_behind_the_last_batch_nothing_is_lost(snn, loader, ctrl_c, monkeypatch):
    def pressed(work, parts):
        press()
        return next(iter(parts))

    monkeypatch.setattr("canonic.measure.passes.reduce", pressed)
    with interrupts():
        found = evaluate(snn, to_the_end(loader))
    assert (found.samples, found.gap) == (12, "")


def test_within_the_batches_what_was_seen_is_kept(snn, loader, ctrl_c, monkeypatch):
    with interrupts():
        batches = to_the_end(loader)
        monkeypatch.setattr(batches, "collate_fn", lambda samples: press() or torch.utils.data.default_collate(samples))
        with pytest.raises(KeyboardInterrupt):  # nothing was seen
            evaluate(snn, batches)
        monkeypatch.setattr("canonic.cli.evaluation.finish", press)
        found = evaluate(snn, to_the_end(loader))
    assert (found.samples, found.gap) == (12, "interrupted after 12 samples")


def test_json_is_printed_whole(ctrl_c, monkeypatch, capsys):
    whole = json.dumps
    monkeypatch.setattr(json, "dumps", lambda *given, **rest: press() or whole(*given, **rest))
    with interrupts():
        print_json({"a": 1})
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_what_is_cleaned_up_at_exit_is_not_interrupted():
    listen = "import atexit, os, signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = (
        f"{listen}; atexit.register(os.kill, os.getpid(), signal.SIGINT); from canonic.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("canonic ")
