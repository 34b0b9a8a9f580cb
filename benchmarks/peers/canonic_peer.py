"""canonic on the same networks, in its own environment: eight digits a number, one silent step a layer.

``convert(network, [256 inputs], code=CSS(steps=8, silent=1))``; the answer is ``snn(test)``, complete after "total
steps". A refusal is recorded as its text.
"""

import json

from torch import Tensor, nn

from benchmarks.peers.probe import Record, survey
from benchmarks.small_networks import relative_error
from canonic import CSS, convert

STEPS = 8


def canonic(_name: str, model: nn.Module, calibration: Tensor, test: Tensor) -> Record:
    """Convert with the default settings."""
    snn = convert(model, [calibration], code=CSS(steps=STEPS, silent=1), progress=False)
    return {"error": {STEPS: relative_error(snn(test), model(test))}, "total steps": snn.total_steps}


def main() -> None:
    """Print one JSON object: way, network, record."""
    print(json.dumps({"canonic": survey(canonic)}))


if __name__ == "__main__":
    main()
