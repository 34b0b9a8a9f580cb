"""Random networks, each converted and checked, or refused: ``python -m benchmarks.fuzz`` writes results/fuzz.json.

It goes on where it was stopped. Each network is checked with T = 12 and k = 1 and in int8 (``tests/fuzz_codes.py``), in
int8 with digits of several levels (``--check digits``), or in all its parts (``--check parts``,
``tests/fuzz_oracle.py``), as docs/coverage.md tells.
"""

import argparse
import json
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from tests.fuzz import Net, networks
from tests.fuzz_codes import examine_codes, examine_digits
from tests.fuzz_oracle import examine

from canonic.network.layerwise import log

RESULTS = Path(__file__).parent / "results" / "fuzz.json"
SHARD = 50
"""Networks of one seed: what is lost if it is stopped."""

Check = Callable[[Net], str | None]
CHECKS: dict[str, Check] = {"parts": examine, "codes": examine_codes, "digits": examine_digits}


def fuzz(examples: int, seed_of_all: int = 0, check: Check = examine) -> dict[str, Any]:
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
            reason = check(net)
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
        "seconds": round(time.perf_counter() - begin),
    }


def main() -> None:
    """Fuzz, and write the result after every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", choices=CHECKS, default="codes")
    parser.add_argument("--examples", type=int, default=2000)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    log.disabled = True
    warnings.simplefilter("ignore")
    for number in range(-(-asked.examples // SHARD)):
        go_on(asked.check, number)


def go_on(check: str, number: int) -> None:
    """Fuzz with one seed, unless that was done, and add what is found to the results."""
    known: dict[str, Any] = {"command": "python -m benchmarks.fuzz"}
    known |= json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    before = known.get(check, {"seeds": []})
    if number in before["seeds"]:
        return
    found = {"seeds": [number], **fuzz(SHARD, number, CHECKS[check])}
    known[check] = added(before, found)
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    print(f"seed {number}: {len(found['failures'])} failures of {found['examples']}", flush=True)


def added(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    """Return two results as one: numbers and lists are added up, key by key."""
    both = {key: _sum(one[key], two[key]) for key in one.keys() & two.keys()}
    return {key: both.get(key, value) for key, value in (one | two).items()}


def _sum(one: Any, two: Any) -> Any:
    return added(one, two) if isinstance(one, dict) else one + two


if __name__ == "__main__":
    main()
