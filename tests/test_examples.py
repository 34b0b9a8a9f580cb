"""The networks trained on Fashion-MNIST, on a few pictures; all 10,000 are measured by ``make bench-coverage``."""

import pytest
from benchmarks import trained
from examples.networks import NETWORKS
from examples.networks import trained as weighted

from canonic import evaluate
from canonic.conversion import convert


@pytest.mark.parametrize("name", NETWORKS)
def test_a_trained_network_agrees_with_its_source(name, shared):
    snn = convert(weighted(name), trained.pictures("train", 60))
    evaluation = evaluate(snn, trained.pictures("t10k", 100))
    assert evaluation.source_accuracy > 0.85
    assert evaluation.agreement >= 0.96
