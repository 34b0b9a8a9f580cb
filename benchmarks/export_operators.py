"""Files of NIR of small networks, one for each operator: ``python -m benchmarks.export_operators`` (make bench-export).

Each network of tests/networks.py without functions is converted, and an interpreter of numpy reads its file. Writes
benchmarks/results/export_operators.json and the table of docs/tasks/export.md.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from tests.function_networks import FUNCTION_CASES
from tests.networks import CASES, build

from benchmarks.export import PAGE, of_nir
from benchmarks.peers.run import ROOT
from benchmarks.tables import replaced, rows
from canonic.codes import CSS, named
from canonic.conversion import convert
from canonic.errors import CanonicError, ConversionError

RESULTS = ROOT / "benchmarks" / "results" / "export_operators.json"
CODES = {"css": CSS(), "rate": named("rate", steps=8)}

Row = dict[str, Any]


def main() -> None:
    """Write the results and the table."""
    torch.set_num_threads(1)
    found = {told: {name: row for name in CASES if (row := of_one(name, told))} for told in CODES}
    RESULTS.write_text(json.dumps({"command": "make bench-export", "networks": found}, indent=1) + "\n")
    PAGE.write_text(replaced(PAGE.read_text(), "operators", table(found)))


def of_one(name: str, told: str) -> Row | None:
    """Return what became of a network in a code; None if it has functions, or cannot be converted into that code."""
    if name in FUNCTION_CASES:
        return None
    torch.manual_seed(0)
    model, shape = build(name)
    x = torch.randn(16, *shape)
    try:
        snn = convert(model.float(), [x], code=CODES[told], progress=False)
    except ConversionError:
        return None
    try:
        return of_nir(snn, x[:4])
    except CanonicError as error:
        return {"refused": str(error)}


def table(found: Mapping[str, Mapping[str, Row]]) -> Iterator[str]:
    """Yield the lines of the table."""
    cells = (
        (told, len(own), sum("refused" in row for row in own.values()),
         *(f"{sum(row.get(key, 0) for row in own.values()):,}" for key in ("spikes", "unlike")))
        for told, own in found.items()
    )  # fmt: skip
    yield from rows(("code", "networks", "refused", "spikes", "unlike"), cells)


if __name__ == "__main__":
    main()
