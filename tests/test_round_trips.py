"""Trained networks as files that numpy alone reads: not one spike is another. ``make bench-export`` has more of them."""

from functools import partial

import pytest
from benchmarks import export

from canonic import CSS, convert

SUBJECTS = {
    "resnet20": partial(export.resnet, "resnet20"),
    "a VGG with max pooling": export.vgg,
    "digits": partial(export.digits, epochs=2),
}


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("name", SUBJECTS)
def test_converted_networks_and_their_whole_numbers(name):
    model, calibration, x = SUBJECTS[name]()
    snn = convert(model, [next(iter(calibration))[0][:8]], code=CSS(), progress=False)
    for found in (export.of_nir(snn, x), export.of_integers(snn, x)):
        assert found["unlike"] == 0
        assert found["spikes"] > 2000


def test_a_network_that_was_trained_in_steps():
    ((_, snn, x),) = export.lif(epochs=1)
    found = export.of_nir(snn, x)
    assert found["unlike"] == 0
    assert found["spikes"] > 500
    assert "css, not LIF (2, 6)" in export.of_integers(snn, x)["refused"]
