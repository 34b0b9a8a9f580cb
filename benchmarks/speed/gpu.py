"""On a GPU: T digits over T passes of the source in bfloat16, a step of training, a parallel neuron and a serial one.

``python -m benchmarks.speed.gpu`` needs one. What is compared runs in turns in one process, after rounds that compile.
Each row is written as soon as it is measured; one that is there is not measured again, unless ``--again`` says so.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.speed import networks
from benchmarks.speed.run import calibration, machine, share, shown
from benchmarks.speed.turns import Run, medians
from benchmarks.tables import replaced, rows
from canonic import CSS, SpikingNetwork, convert
from canonic.datasets import sample
from canonic.learn import LIF, MPE, Population, Rule, unroll

RESULTS = Path(__file__).resolve().parents[1] / "results" / "gpu.json"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
STEP = ("fp32 ms", "bf16 ms", "fp32 MB", "bf16 MB")
SCAN = ("LIF ms", "MPE ms", "times")

MEMBERS = {"css:8, k = 1": CSS(8, 1), "css:2, beta 16, 64 levels, k = 0": CSS(2, 0, 16.0, levels=64)}
Timed = Mapping[str, float]
Row = dict[str, Any]
Rows = Sequence[Row]


def there(known: Rows, **wanted: object) -> bool:
    """Say whether a row is among those that are known."""
    return any(wanted.items() <= row.items() for row in known)


def waiting(run: Run) -> Run:
    """Return a call that ends when the GPU has."""

    def call() -> None:
        run()
        torch.cuda.synchronize()

    return call


def inference(known: Rows) -> Iterator[Row]:
    """Return the time of networks at T = 8, k = 1 over T passes of their sources, eager and compiled."""
    trained = networks.with_modules(cifar.trained("resnet20"))
    pictures = next(iter(DataLoader(sample(cifar.test_pictures(), 512), batch_size=512)))[0]
    for name, model, data, x in (
        ("resnet20", trained, calibration(), pictures.repeat(2, 1, 1, 1)),
        ("vgg16-bn", networks.vgg16(), [networks.pictures(64)], networks.pictures(512)),
        ("resnet20", trained, calibration(), pictures[:64]),
    ):
        if there(known, network=name, batch=len(x)):
            continue
        snns = {label: convert(model, data, code=code, progress=False) for label, code in MEMBERS.items()}
        for row in _timed(model, snns, x.cuda()):
            yield {"network": name, "batch": len(x), **row}


def _timed(model: nn.Module, snns: Mapping[str, SpikingNetwork], x: Tensor) -> Iterator[Row]:
    """Return the rows of one batch, one for each member."""
    half = x.bfloat16().contiguous(memory_format=torch.channels_last)
    there = deepcopy(model).to("cuda", torch.bfloat16)
    there = there.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    faster: Callable[[Tensor], Tensor] = torch.compile(there)
    runs: dict[str, Run] = {"eager": partial(there, half), "compiled": partial(faster, half)}
    for label, snn in snns.items():
        ready = snn.to("cuda").to_precision("bf16").compile()
        runs[label] = lambda ready=ready: ready(x)  # type: ignore[misc]
    with torch.inference_mode():
        seconds = medians({name: waiting(run) for name, run in runs.items()}, rounds=15)
    for label, snn in snns.items():
        yield _row(seconds, label, snn.code.steps)


def _row(seconds: Timed, label: str, steps: int) -> Row:
    passes = {f"passes of the {how} source": seconds[label] / seconds[how] for how in ("eager", "compiled")}
    over = {f"over T passes, {how}": seconds[label] / seconds[how] / steps for how in ("eager", "compiled")}
    return {"member": label, "ms": 1e3 * seconds[label], "source ms": 1e3 * seconds["eager"], **passes, **over}


def answers(known: Rows) -> Iterator[Row]:
    """Return accuracy and agreement of resnet20 on all test pictures at each precision, and int8 beside the CPU's."""
    model = cifar.trained("resnet20")
    snn = convert(model, calibration(), code=CSS(8, 1), progress=False)
    x, y = (torch.cat(parts) for parts in zip(*DataLoader(cifar.test_pictures(), 500), strict=True))
    with torch.no_grad():
        wanted = torch.cat([model(part) for part in torch.split(x, 500)]).argmax(-1)
        here = snn.to_precision("int8").compile()(x[:500])
    for precision in ("bf16", "int8", "fp32"):
        if there(known, precision=precision, pictures=len(x)):
            continue
        ready = snn.to("cuda").to_precision(precision).compile()
        found = torch.cat([ready(part.cuda()).cpu() for part in torch.split(x, 500)])
        row: Row = {"precision": precision, "pictures": len(x), "accuracy": share(found.argmax(-1) == y)}
        row |= {"agreement": share(found.argmax(-1) == wanted), "source accuracy": share(wanted == y)}
        if precision == "int8":
            row["largest difference from the CPU"] = float((found[:500] - here).abs().max())
        yield row


def body() -> nn.Module:
    """Return two convolutions with LIF neurons, as the baseline of the zoo has them."""

    def neurons() -> nn.Module:
        return Population(LIF(leak=0.5, reset="hard", detach_reset=True))

    first = (nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), neurons(), nn.AvgPool2d(2))
    second = (nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), neurons(), nn.AvgPool2d(2))
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(1568, 10)).cuda()


def training(known: Rows) -> Iterator[Row]:
    """Return the time and the memory of a step of training, in float32 and under autocast to bfloat16."""
    for batch, steps in ((128, 4), (128, 16), (2048, 4), (2048, 16)):
        if there(known, batch=batch, T=steps):
            continue
        x = torch.rand(batch, 1, 28, 28, device="cuda")
        y = torch.randint(10, (batch,), device="cuda")
        nets = {"fp32": body(), "bf16": body()}
        runs = {name: waiting(_step(net, x, y, steps, halved=name == "bf16")) for name, net in nets.items()}
        peaks = {name: _peak(run) for name, run in runs.items()}
        with torch.inference_mode(False):
            seconds = medians(runs, rounds=9)
        told = {f"{name} ms": 1e3 * value for name, value in seconds.items()}
        yield {"batch": batch, "T": steps, **told, **{f"{k} MB": v for k, v in peaks.items()}}


def _step(net: nn.Module, x: Tensor, y: Tensor, steps: int, *, halved: bool) -> Run:
    def run() -> None:
        with torch.inference_mode(False), torch.enable_grad():
            with torch.autocast("cuda", torch.bfloat16, enabled=halved):
                out = unroll(net, x, steps=steps).output
            loss = nn.functional.cross_entropy(out.float().mean(0), y)
            torch.autograd.backward(loss)

    return run


def _peak(run: Callable[[], Any]) -> float:
    """Return the most megabytes that a call holds."""
    run()
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated() / 1e6


def parallel(known: Rows) -> Iterator[Row]:
    """Return the forward pass of MPE, all steps at once, beside that of serial LIF neurons: the figure of the paper."""
    for neurons in (2**10, 2**13, 2**16, 2**20):
        for steps in (4, 16, 64):
            if there(known, neurons=neurons, T=steps):
                continue
            x = torch.randn(steps, 1, neurons, device="cuda")
            runs = {"LIF": _forward(LIF(leak=0.5), x), "MPE": _forward(MPE(), x)}
            seconds = medians({name: waiting(run) for name, run in runs.items()}, rounds=21)
            told = {f"{name} ms": 1e3 * value for name, value in seconds.items()}
            yield {"neurons": neurons, "T": steps, **told, "times": seconds["LIF"] / seconds["MPE"]}


def _forward(rule: Rule, x: Tensor) -> Run:
    net = nn.Sequential(Population(rule)).cuda().eval()
    return lambda: unroll(net, x)


PARTS: dict[str, Callable[[Rows], Iterator[Row]]] = {
    "answers": answers,
    "inference": inference,
    "training": training,
    "parallel": parallel,
}


def page(found: Mapping[str, Any]) -> str:
    """Return the page with the tables of what was measured."""
    text, heads = PAGE.read_text(), ("passes of the eager source", "passes of the compiled source")
    over = ("over T passes, eager", "over T passes, compiled")
    first = ("network", "batch", "member")
    cells = [[*(r[key] for key in first), *(f"{r[key]:.2f}" for key in (*heads, *over))] for r in found["inference"]]
    text = replaced(text, "gpu", rows((*first, *heads, *over), cells))
    cells = [[str(r["batch"]), str(r["T"]), *(f"{r[key]:.1f}" for key in STEP)] for r in found["training"]]
    text = replaced(text, "gpu training", rows(("batch", "T", *STEP), cells))
    cells = [[f"{r['neurons']:,}", str(r["T"]), *(f"{r[key]:.2f}" for key in SCAN)] for r in found["parallel"]]
    return replaced(text, "gpu neurons", rows(("neurons", "T", *SCAN), cells))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--again", action="store_true", help="measure rows that are there, too")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    found = json.loads(given.out.read_text()) if given.out.exists() else {}
    here = {**machine(), "gpu": torch.cuda.get_device_name()}
    found |= {"command": "python -m benchmarks.speed.gpu", "machine": here}
    for part in given.parts:
        found[part] = [] if given.again else found.get(part, [])
        for row in PARTS[part](tuple(found[part])):
            found[part].append(shown(row))
            given.out.write_text(json.dumps(found, indent=1) + "\n")
    if found.keys() >= PARTS.keys():
        PAGE.write_text(page(found))


if __name__ == "__main__":
    main()
