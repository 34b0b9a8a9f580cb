"""Files of ONNX run by onnxruntime: ``python -m benchmarks.export_onnx`` (make bench-export).

A trained resnet20 of CIFAR-10 is written as all its steps and as one step. Of 100 test pictures it is asked how far the
answers of onnxruntime are from those of the network, and what that is where every sum is one of whole numbers (int8).
Writes benchmarks/results/onnx.json and the table of docs/tasks/export.md.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.export import CALIBRATION, PAGE
from benchmarks.peers.run import ROOT
from benchmarks.tables import replaced, rows
from canonic.codes import CSS, named
from canonic.conversion import convert
from canonic.datasets import sample
from canonic.export.module import Stepping
from canonic.export.onnx import save_onnx, save_onnx_step
from canonic.network import SpikingNetwork

RESULTS = ROOT / "benchmarks" / "results" / "onnx.json"
PICTURES = 100
CODES = {
    "css": CSS(),
    "css, 2 digits of beta = 16, 64 levels": CSS(steps=2, silent=0, beta=16.0, levels=64),
    "rate, 16 steps": named("rate", steps=16),
}

Row = dict[str, Any]
Run = Callable[[Path, SpikingNetwork, Tensor], np.ndarray]


def main() -> None:
    """Write the results and the table."""
    torch.set_num_threads(1)
    known = DataLoader(sample(cifar.training_pictures(), CALIBRATION), batch_size=100)
    x = next(iter(DataLoader(sample(cifar.test_pictures(), PICTURES), batch_size=PICTURES)))[0]
    found: dict[str, dict[str, Row]] = {}
    for told, code in CODES.items():
        snn = convert(cifar.trained("resnet20"), known, code=code, progress=False)
        for each in (snn, snn.to_precision("int8")) if isinstance(code, CSS) else (snn,):
            found[f"{told}, {each.precision}"] = {kind: measured(each, x, *how) for kind, how in KINDS.items()}
            print(told, each.precision, found[f"{told}, {each.precision}"], flush=True)
    RESULTS.write_text(json.dumps({"command": "make bench-export", "resnet20": found}, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), "onnx", table(found)))


def measured(snn: SpikingNetwork, x: Tensor, write: Callable[[SpikingNetwork, Path], None], run: Run) -> Row:
    """Return what a file costs, and how far its answers are from those of the network."""
    wanted = snn(x).numpy()
    with tempfile.TemporaryDirectory() as folder:
        path, begun = Path(folder) / "a.onnx", time.process_time()
        write(snn, path)
        seconds, size = time.process_time() - begun, path.stat().st_size
        begun = time.process_time()
        answers = run(path, snn, x)
    apart = np.abs(answers - wanted).max(1)
    return {
        "cpu_seconds": round(seconds, 1),
        "bytes": size,
        "milliseconds_a_picture": round(1000 * (time.process_time() - begun) / len(x), 1),
        "largest_answer": float(np.abs(wanted).max()),
        "largest_difference": float(apart.max()),
        "median_difference": float(np.median(apart)),
        "same_class": int((answers.argmax(1) == wanted.argmax(1)).sum()),
    }


def session(path: Path) -> onnxruntime.InferenceSession:
    """Return a file, opened with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def at_once(path: Path, snn: SpikingNetwork, x: Tensor) -> np.ndarray:
    """Return the answers of all steps as one graph."""
    answers: np.ndarray = session(path).run(None, {snn.graph.inputs[0]: x.numpy()})[0]
    return answers


def by_steps(path: Path, snn: SpikingNetwork, x: Tensor) -> np.ndarray:
    """Return the answers of one step, run again and again."""
    opened, state = session(path), [part.numpy() for part in Stepping(snn).rest(len(x))]
    names = [one.name for one in opened.get_inputs()]
    for t in range(1, snn.total_steps + 1):
        answers, *state = opened.run(None, dict(zip(names, [np.array(t), x.numpy(), *state], strict=True)))
    last: np.ndarray = answers
    return last


KINDS: Mapping[str, tuple[Callable[[SpikingNetwork, Path], None], Run]] = {
    "onnx": (save_onnx, at_once),
    "onnx-step": (save_onnx_step, by_steps),
}


def table(found: Mapping[str, Mapping[str, Row]]) -> Iterator[str]:
    """Yield the lines of the table."""
    headings = ("resnet20", "format", "CPU seconds to write", "MB", "ms a picture", "difference, median", "largest")
    cells = (
        (told, kind, f"{row['cpu_seconds']:.0f}", f"{row['bytes'] / 1e6:.1f}", f"{row['milliseconds_a_picture']:.0f}",
         f"{row['median_difference']:.1e}", f"{row['largest_difference']:.2g} of {row['largest_answer']:.0f}",
         f"{row['same_class']} of {PICTURES}")
        for told, own in found.items()
        for kind, row in own.items()
    )  # fmt: skip
    yield from rows((*headings, "same class"), cells)


if __name__ == "__main__":
    main()
