"""The regression check of make bench-speed: ratios against recorded ones, on the same kind of processor only."""

import pytest
from benchmarks.speed.run import SLOWER, slower


def result(ratio, units=("avx2",)):
    row = {"network": "resnet20", "threads": 2, "precision": "int8", "ratio": ratio}
    return {"machine": {"units": list(units)}, "ratios": [row]}


def test_a_ratio_that_grew_is_named():
    assert slower(result(2.0), result(2.0 * SLOWER + 0.1)) == ["resnet20 2 int8: 2.00 -> 2.70 times its source"]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (result(2.0), result(2.0 * SLOWER)),
        (result(2.0), result(1.0)),
        (result(2.0, units=("avx2", "amx_int8")), result(9.0)),
        ({}, result(9.0)),
        (result(2.0), {"machine": {"units": ["avx2"]}}),
    ],
    ids=["noise", "faster", "another processor", "no record", "not measured"],
)
def test_anything_else_passes(before, now):
    assert slower(before, now) == []
