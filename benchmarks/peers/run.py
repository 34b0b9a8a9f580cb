"""All converters on the same small networks: ``python -m benchmarks.peers.run .venv-peers/bin/python``.

Prints one table a tool: the relative error of the answer after each number of steps in per cent, or the refusal.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PEERS = ("spikingjelly_peer", "sinabs_peer")
OWN = "canonic_peer"
SECONDS = 1800

Table = dict[str, dict[str, dict[str, Any]]]
"""Tool, network, record: {"error": {8: ..., 32: ..., 256: ...}, ...} or {"refused": "text"}."""


def main() -> None:
    """Run all tools and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", type=Path, help="of the environment of the other converters")
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    results = peers(arguments.python) | start(Path(sys.executable), OWN)
    for tool, records in results.items():
        print(f"\n{tool}", *(line(name, record) for name, record in records.items()), sep="\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def peers(python: Path) -> Table:
    """Return what the other converters make of the networks, run by the python of their environment."""
    results: Table = {}
    for script in PEERS:
        results |= start(python, script)
    return results


def start(python: Path, script: str) -> Table:
    """Run one script in a process of its own and return its results, numbers of steps as numbers.

    Raises:
        RuntimeError: if the script as a whole fails; a network that a tool cannot convert is a result.
    """
    command = [str(python.absolute()), "-m", f"benchmarks.peers.{script}"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    results: Table = json.loads(done.stdout.strip().splitlines()[-1])
    for record in (record for records in results.values() for record in records.values()):
        if "error" in record:
            record["error"] = {int(steps): error for steps, error in record["error"].items()}
    return results


def environment() -> dict[str, str]:
    """Return this process's environment, one thread, without a drawing window."""
    return os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}


def line(name: str, record: dict[str, Any]) -> str:
    """Return one network as a line of a table."""
    if "refused" in record:
        return f"{name:26}{record['refused']}"
    errors = "  ".join(f"T={steps}: {100 * error:7.3f} %" for steps, error in record["error"].items())
    rest = "; ".join(f"{key}: {value}" for key, value in record.items() if key not in ("error", "remark"))
    return f"{name:26}{errors}  {rest}  {record.get('remark', '')}".rstrip()


if __name__ == "__main__":
    main()
