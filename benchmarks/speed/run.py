"""The speed of the engine against its source and its peers: ``make bench-speed`` writes JSON, a plot and the tables."""

import argparse
import json
import platform
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks import cifar
from benchmarks.peers.run import ROOT, environment
from benchmarks.speed import floors, networks
from benchmarks.speed.memory import peak
from benchmarks.speed.turns import medians, source
from canonic import CSS, SpikingNetwork, convert
from canonic.datasets import sample
from canonic.network.graph import Node, Precision
from canonic.neurons import Scan

RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
TARGETS: dict[Precision, float] = {"fp32": 10.0, "bf16": 2.5, "int8": 1.0}
"""Largest wanted ratio to the source network at T = 8, k = 1, of the precisions that are timed: bf16x2 runs as fp32."""
SLOWER = 1.3
"""A ratio beyond so many times the recorded one is a regression, on the same kind of processor."""
PICTURES = 500


def ratios(threads: int) -> list[dict[str, Any]]:
    """Return the time of each network at each precision over that of its source, T = 8, k = 1."""
    torch.set_num_threads(threads)
    rows = []
    for name, (model, data, x) in measured().items():
        snn = convert(model, data, code=CSS(8, 1), progress=False)
        for precision, target in TARGETS.items():
            ready = snn.to_precision(precision).compile()
            seconds = medians({"source": source(model, x), "spiking": runner(ready, x)})
            ratio = seconds["spiking"] / seconds["source"]
            row = {"network": name, "batch": len(x), "threads": threads, "precision": precision, "ratio": ratio}
            more = {"target": target, "source ms": 1e3 * seconds["source"], "silent %": silent(ready, x)}
            rows.append(shown(row | more))
    return rows


def measured() -> dict[str, tuple[nn.Module, Iterable[Any], torch.Tensor]]:
    """Return networks, what to convert them with, and a batch: how fast they are depends on how many neurons fire."""
    real = next(iter(DataLoader(sample(cifar.test_pictures(), 64), batch_size=64)))[0]
    random = networks.pictures(32)
    trained = networks.with_modules(cifar.trained("resnet20"))
    return {"resnet20": (trained, calibration(), real), "vgg16-bn": (networks.vgg16(), [random], random)}


def silent(snn: SpikingNetwork, x: torch.Tensor) -> float:
    """Return the per cent of neurons that do not fire for a sample."""
    found: list[int] = []

    def count(_: Node, __: Sequence[torch.Tensor], result: Scan | torch.Tensor) -> None:
        if isinstance(result, Scan) and result.fired is not None:
            found.append(result.fired.silent)

    snn.readout(x, observe=count)
    return 100 * sum(found) / (len(x) * snn.neurons)


def spiking(model: nn.Module, x: torch.Tensor, code: CSS) -> SpikingNetwork:
    """Return a network converted on random pictures, for what does not depend on them."""
    return convert(model, [x], code=code, progress=False)


def runner(snn: SpikingNetwork, x: torch.Tensor) -> Callable[[], Any]:
    """Return a call of a network."""
    return lambda: snn(x)


def accuracies() -> list[dict[str, Any]]:
    """Return accuracy and agreement of resnet20 at each precision, T = 8, k = 1, on all 10,000 test pictures."""
    model = cifar.trained("resnet20")
    snn = convert(model, calibration(), code=CSS(8, 1), progress=False)
    test = list(DataLoader(cifar.test_pictures(), batch_size=500))
    with torch.no_grad():
        wanted = torch.cat([model(x).argmax(-1) for x, _ in test])
        labels = torch.cat([y for _, y in test])
        rows = []
        for precision in get_args(Precision):
            ready = snn.to_precision(precision).compile()
            answers = torch.cat([ready(x).argmax(-1) for x, _ in test])
            row = {"precision": precision, "accuracy": share(answers == labels), "agreement": share(answers == wanted)}
            rows.append(shown({**row, "source accuracy": share(wanted == labels)}))
    return rows


def share(hits: torch.Tensor) -> float:
    """Return per cent."""
    return 100 * float(hits.double().mean())


def calibration() -> DataLoader[Any]:
    """Return 1,000 clean training pictures."""
    return DataLoader(sample(cifar.training_pictures(), 1000), batch_size=100)


def growth() -> dict[str, Any]:
    """Return time against T, batch and neurons, each with a straight line and its largest residual."""
    torch.set_num_threads(2)
    trained = networks.with_modules(cifar.trained("resnet20"))
    x = networks.pictures(64)
    by_steps = {t: runner(spiking(trained, x, CSS(t, 1)).to_precision("int8").compile(), x) for t in (2, 4, 8, 12, 16)}
    ready = spiking(trained, x, CSS(8, 1)).to_precision("int8").compile()
    by_batch = {b: runner(ready, networks.pictures(b)) for b in (16, 32, 64, 128, 256)}
    by_size = {
        32 * 1024 * n: runner(spiking(networks.deep(n), x, CSS(8, 1)).to_precision("int8").compile(), x)
        for n in (2, 4, 6, 8)
    }
    return {name: line(runs) for name, runs in (("T", by_steps), ("batch", by_batch), ("neurons", by_size))}


def line(runs: dict[int, Callable[[], Any]]) -> dict[str, Any]:
    """Return the times, the straight line through them, and its largest residual relative to the last."""
    seconds = medians({str(size): run for size, run in runs.items()}, 5)
    sizes, times = np.array(list(runs)), np.array(list(seconds.values()))
    slope, offset = np.polyfit(sizes, times, 1)
    residual = float(np.abs(times - slope * sizes - offset).max() / times[-1])
    return shown(
        {
            "sizes": sizes.tolist(),
            "ms": (1e3 * times).tolist(),
            "slope ms": 1e3 * slope,
            "offset ms": 1e3 * offset,
            "residual": residual,
        }
    )


def memory() -> dict[str, Any]:
    """Return the MiB that inference adds, and the ratios that matter."""
    ways = ("source", "layerwise", "layerwise int8", "clocked")
    mib = {way: peak(way) for way in ways} | {"clocked T = 24": peak("clocked", 24)}
    ratios = {
        "layerwise / source": mib["layerwise"] / mib["source"],
        "layerwise int8 / source": mib["layerwise int8"] / mib["source"],
        "clocked T = 24 / T = 8": mib["clocked T = 24"] / mib["clocked"],
    }
    return shown({"MiB": mib, **ratios})


def layers() -> list[dict[str, Any]]:
    """Return the floors of each layer of resnet20 in int8, one thread."""
    torch.set_num_threads(1)
    model, data, x = measured()["resnet20"]
    return floors.layers(convert(model, data, code=CSS(8, 1), progress=False).to_precision("int8").compile(), x)


def peers(python: Path, threads: int = 2) -> dict[str, Any]:
    """Return the others on resnet20, and canonic at the fewest steps that reach the same accuracy."""
    torch.set_num_threads(threads)
    model = networks.with_modules(cifar.trained("resnet20"))
    x, y = (torch.cat(parts) for parts in zip(*DataLoader(sample(cifar.test_pictures(), PICTURES), 100), strict=True))
    clean = torch.cat([batch[0] for batch in calibration()])
    found: dict[str, Any] = {"canonic": own(model, x, y)}
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "given.pt")
        torch.save({"model": model.state_dict(), "x": x, "y": y, "calibration": clean, "threads": threads}, given)
        for tool in ("spikingjelly", "sinabs"):
            command = [str(python.absolute()), "-m", "benchmarks.speed.peer", tool, str(given)]
            cores = environment() | {"OMP_NUM_THREADS": str(threads)}
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=cores, check=False)
            found[tool] = (
                json.loads(done.stdout.splitlines()[-1]) if not done.returncode else {"failed": done.stderr[-600:]}
            )
            shown({tool: found[tool]})
    return found


def own(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
    """Return the fewest steps, and the ratio to the source, at each precision."""
    wanted = share(model(x).argmax(-1) == y) - 0.5
    rows: dict[str, Any] = {}
    for precision in TARGETS:
        for steps in range(3, 13):
            snn = convert(model, calibration(), code=CSS(steps, 1), progress=False).to_precision(precision).compile()
            reached = share(snn(x).argmax(-1) == y)
            if reached >= wanted:
                break
        seconds = medians({"source": source(model, x[:64]), "spiking": runner(snn, x[:64])})
        rows[precision] = {"steps": steps, "accuracy": reached, "ratio": seconds["spiking"] / seconds["source"]}
    return shown(rows)


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Print a row and return it."""
    print("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
    return row


def machine() -> dict[str, Any]:
    """Return the machine in words, and what its processor can multiply."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    units = [unit for unit in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if unit in flags]
    return {"processor": name, "units": units, "torch": torch.__version__}


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "ratios": lambda _: [*ratios(2), *ratios(1)],
    "accuracies": lambda _: accuracies(),
    "growth": lambda _: growth(),
    "memory": lambda _: memory(),
    "layers": lambda _: layers(),
    "peers": lambda given: peers(given.peers),
}


def slower(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what has become slower than recorded, on the same kind of processor."""
    if before.get("machine", {}).get("units") != now["machine"]["units"]:
        return []
    known = {(r["network"], r["threads"], r["precision"]): r["ratio"] for r in before.get("ratios", [])}
    worse = [
        (key, known[key], r["ratio"])
        for r in now.get("ratios", [])
        if (key := (r["network"], r["threads"], r["precision"])) in known
    ]
    return [
        f"{' '.join(map(str, key))}: {old:.2f} -> {new:.2f} times its source"
        for key, old, new in worse
        if new > SLOWER * old
    ]


def main() -> None:
    """Measure, compare with what is recorded, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--peers", type=Path, default=Path(".venv-peers/bin/python"), help="python of that environment")
    parser.add_argument("--check", action="store_true", help="compare with the record and leave it as it is")
    given = parser.parse_args()
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    now = {"machine": machine()} | {part: PARTS[part](given) for part in given.parts}
    if given.check:
        raise SystemExit("\n".join(slower(before, now)) or 0)
    RESULTS.write_text(json.dumps({"command": "make bench-speed", **before, **now}, indent=1) + "\n")
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
