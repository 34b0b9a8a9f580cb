"""The C programs under AddressSanitizer and UBSan, on networks of odd geometry: ``make sanitize``.

A process of its own builds every program with both, in a folder of its own, and runs networks (``tests/odd.py``) in all
precisions, whole, counted and in parts, on one thread and on two. The first finding is printed and ends it; the exit
status is then not zero. First programs are given what they must not be given, to see that the sanitizers find it.
"""

import argparse
import logging
import os
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import torch
from tests.odd import odd

from canonic import CSS, ConversionError
from canonic.native import Given, css_scan
from canonic.native.build import cache_folder
from canonic.network.graph import Node, Precision
from canonic.network.pooling import pooled

NETWORKS = 18
"""Among them are one channel and 65, groups, maps of one pixel, kernels and windows beyond the edge."""
CODES = [(4, 1), (1, 1), (9, 1)]
"""T and k: each wants programs of its own. Sums of convolutions go four digits, or eight, in a vector."""
LARGEST = 30_000
"""Neurons of a network, at most: what is odd is the shape."""
SANITIZERS = "-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
FAULTS = {"short_start": "heap-buffer-overflow", "far_pixel": "signed integer overflow"}
"""What does something wrong on purpose, and what must be said of it."""


def main() -> int:
    """Check the sanitizers, then the programs; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=NETWORKS)
    networks = parser.parse_args().networks
    with sanitized() as environment:
        for fault, said in FAULTS.items():
            done = call(f"{fault}()", environment, capture_output=True, text=True)
            if done.returncode == 0 or said not in done.stderr:
                print(f"the sanitizers do not find a planted fault ({fault}): they check nothing\n{done.stderr}")
                return 1
        print("the sanitizers find the planted faults", flush=True)
        return call(f"run({networks})", environment).returncode


@contextmanager
def sanitized() -> Iterator[dict[str, str]]:
    """Give the environment of a process that builds programs with the sanitizers, and none that were built before."""
    compiler = os.environ.get("CC", "cc")
    library = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as folder:
        wrapper = Path(folder, "cc")
        wrapper.write_text(f'#!/bin/sh\nexec {compiler} "$@" {SANITIZERS}\n')
        wrapper.chmod(stat.S_IRWXU)
        yield {
            **os.environ,
            "CC": str(wrapper),
            "XDG_CACHE_HOME": folder,
            "LD_PRELOAD": library.stdout.strip(),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }


def call(what: str, environment: dict[str, str], **given: bool) -> "subprocess.CompletedProcess[str]":
    """Call a function of this file in a process of its own."""
    command = [sys.executable, "-c", f"from benchmarks import sanitize; sanitize.{what}"]
    return subprocess.run(command, env=environment, check=False, **given)  # type: ignore[call-overload, no-any-return]


def short_start() -> None:
    """Give 33 neurons one initial potential."""
    css_scan(CSS(4), Given([torch.zeros(4, 1, 33)], [None], torch.float32, signed=False, start=torch.zeros(1)))


def far_pixel() -> None:
    """Pool pixels that lie further away than whole numbers reach."""
    arguments = {"kernel_size": [4, 1], "stride": 1, "padding": 0, "dilation": [2**62, 1]}
    node = Node("pool", "function unit", "aten.max_pool2d.default", ("x",), (1, 1, 1), arguments)
    pooled(node, torch.zeros(4, 1, 1, 1, 1), CSS(4))


def run(networks: int) -> None:
    """Run networks of odd geometry in every way that reaches C; end with a status if a program could not be built."""
    logging.getLogger("canonic").addFilter(refuse)
    ran = sum(run_one(seed) for seed in range(networks))
    built = Counter(path.name.split("-")[0] for path in cache_folder().glob("*.so"))
    programs = ", ".join(f"{number} of {name}" for name, number in sorted(built.items()))
    print(f"{ran} networks ran in {built.total()} programs ({programs}): no finding")


def refuse(record: logging.LogRecord) -> bool:
    """End with what is warned of: a program that cannot be built would not be checked."""
    raise SystemExit(f"not every program was built: {record.getMessage()}")


def run_one(seed: int) -> int:
    """Run one network; return in how many precisions."""
    snn, shape = odd(seed, CODES)
    if snn.neurons > LARGEST:
        return 0
    torch.set_num_threads(1 + seed % 2)
    x, ran = torch.randn(3, *shape, generator=torch.Generator().manual_seed(seed)), 0
    for precision in get_args(Precision):
        try:
            ready = snn.to_precision(precision)
        except ConversionError:
            continue
        ready(x)
        ready.trace(x[:1])
        ran += 1
    print(f"network {seed}: {snn.neurons} neurons", flush=True)
    return ran


if __name__ == "__main__":
    sys.exit(main())
