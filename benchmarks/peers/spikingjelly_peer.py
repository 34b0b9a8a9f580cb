"""SpikingJelly's converter (``spikingjelly.activation_based.ann2snn``) on the small networks.

Every way is ``FXConverter(recipe).convert(network)`` and, for each batch, ``functional.reset_net``; what differs:

max: ``RateCodingRecipe`` as it is by default (integrate-and-fire neurons, the largest activation of a layer as its
    threshold); 256 inputs as one batch, so that the largest is the true one. The input is repeated at every step
    and the answer is the mean output so far, as in its example for MNIST.
robust: the same recipe as its example for ImageNet calls it: channel by channel, ``mode="99.9%"``, neurons that begin
    at half the threshold, max pooling before them; the mean leaves out the steps before ``estimate_delay_start``,
    as that example does by default.
ltb: ``LocalThresholdBalancingRecipe``, read out like robust. It moves its thresholds once a batch, in its example 390
    times: here the 256 inputs pass 50 times in batches of 32, 400 batches.
sta: ``STATransformerRecipe(mode="spiking_encoder")`` as its example for a vision transformer calls it: converted for
    each number of steps, the input at the first step and zeros behind it, the answer is the sum of all outputs.
td: ``TransformerTDEquivalentRecipe``, driven and read out like sta, as in its example for BERT; no calibration.

Its other recipes take other networks: language models of one family (Qwen2), networks trained as quantised (SpikeZIP).
"""

import json
from typing import Any

import torch
from loguru import logger
from spikingjelly.activation_based import ann2snn, functional, neuron
from spikingjelly.activation_based.ann2snn.recipes.sta_transformer import _STASpikeEncoder
from torch import Tensor, nn

from benchmarks.peers.probe import STEPS, Probe, Record, errors_of_means, survey
from benchmarks.small_networks import relative_error

NEURONS = (neuron.BaseNode, _STASpikeEncoder)
PASSES, BATCH = 50, 32


def maximum(_name: str, model: nn.Module, calibration: Tensor, test: Tensor) -> Record:
    """Convert with the default recipe."""
    recipe = ann2snn.RateCodingRecipe(dataloader=[calibration])
    return rates(recipe, model, test, None)


def robust(_name: str, model: nn.Module, calibration: Tensor, test: Tensor) -> Record:
    """Convert with the recipe of the example for ImageNet."""
    options = {"channel_wise": True, "pre_spike_maxpool": True, "half_threshold": True}
    recipe = ann2snn.RateCodingRecipe(dataloader=[calibration], mode="99.9%", **options)
    return rates(recipe, model, test, calibration)


def balanced(_name: str, model: nn.Module, calibration: Tensor, test: Tensor) -> Record:
    """Convert with local threshold balancing."""
    batches = [calibration[start : start + BATCH] for start in range(0, len(calibration), BATCH)]
    recipe = ann2snn.LocalThresholdBalancingRecipe(dataloader=batches * PASSES)
    return rates(recipe, model, test, calibration)


def rates(recipe: Any, model: nn.Module, test: Tensor, delay_from: Tensor | None) -> Record:
    """Convert, repeat the input at every step, and average the outputs, all or those behind the estimated delay."""
    wanted = model(test)
    snn = ann2snn.FXConverter(recipe).convert(model).eval()
    functional.reset_net(snn)
    outputs = torch.stack([snn(test) for _ in range(max(STEPS))])
    errors = errors_of_means(outputs, wanted)
    if delay_from is not None:
        starts = {t: ann2snn.estimate_delay_start(snn, [delay_from], "cpu", t) for t in STEPS}
        errors = {t: relative_error(outputs[start:t].mean(0), wanted) for t, start in starts.items()}
    probe = Probe(snn, NEURONS)
    functional.reset_net(snn)
    with probe:
        for _ in range(32):
            snn(test)
    return {"error": errors, **probe.record()}


def sta(_name: str, model: nn.Module, calibration: Tensor, test: Tensor) -> Record:
    """Convert with spatio-temporal approximation, once for each number of steps."""
    options = {"mode": "spiking_encoder", "threshold_mode": "mse"}
    return sums(lambda t: ann2snn.STATransformerRecipe(dataloader=[calibration], time_steps=t, **options), model, test)


def td_equivalent(_name: str, model: nn.Module, _calibration: Tensor, test: Tensor) -> Record:
    """Convert to temporal differences of the analog operators."""
    return sums(lambda t: ann2snn.TransformerTDEquivalentRecipe(time_steps=t), model, test)


def sums(recipe: Any, model: nn.Module, test: Tensor) -> Record:
    """Convert for each number of steps, present the input at the first one, and add all outputs up."""
    wanted = model(test)
    errors, seen = {}, {}
    for steps in STEPS:
        snn = ann2snn.FXConverter(recipe(steps)).convert(model).eval()
        functional.set_step_mode(snn, "m")
        functional.reset_net(snn)
        sequence = torch.zeros(steps, *test.shape)
        sequence[0] = test
        probe = Probe(snn, NEURONS)
        with probe:
            outputs = snn(sequence)
        errors[steps] = relative_error(outputs.sum(0), wanted)
        seen = probe.record() | {"complete after the first step": bool(torch.equal(outputs[0], outputs.sum(0)))}
    return {"error": errors, **seen}


WAYS = {"max": maximum, "robust": robust, "ltb": balanced, "sta": sta, "td": td_equivalent}


def main() -> None:
    """Print one JSON object: way, network, record."""
    logger.remove()
    print(json.dumps({f"spikingjelly ({way})": survey(convert) for way, convert in WAYS.items()}))


if __name__ == "__main__":
    main()
