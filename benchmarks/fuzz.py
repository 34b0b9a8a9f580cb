"""Random networks, each converted and checked in all its parts, or refused: ``python -m benchmarks.fuzz``."""

import argparse
import json
import time
import traceback
import warnings
from collections import Counter
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from tests.fuzz import Net, networks
from tests.fuzz_oracle import examine


def fuzz(examples: int, seed_of_all: int = 0) -> dict[str, Any]:
    """Return how many random networks were converted, the reasons of the refused ones, and all failures."""
    converted, refused, unexpected, failures = 0, Counter[str](), Counter[str](), list[dict[str, str]]()

    @seed(seed_of_all)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(networks())
    def run(net: Net) -> None:
        nonlocal converted
        try:
            reason = examine(net)
        except Exception as error:  # noqa: BLE001  # a failure is a result
            where = traceback.extract_tb(error.__traceback__)[-1]
            failures.append({"error": f"{type(error).__name__}: {error} ({where.name})", "network": repr(net)})
            return
        converted += reason is None
        if reason is not None:
            refused[reason] += 1
            unexpected[reason] += not net.has_refused

    begin = time.perf_counter()
    run()
    return {
        "examples": converted + refused.total() + len(failures),
        "converted": converted,
        "refused": dict(refused.most_common()),
        "refused without an operation that must be": {name: n for name, n in unexpected.most_common() if n},
        "failures": failures,
        "seconds": round(time.perf_counter() - begin, 1),
    }


def main() -> None:
    """Fuzz, and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        print(json.dumps(fuzz(given.examples, given.seed), indent=2))


if __name__ == "__main__":
    main()
