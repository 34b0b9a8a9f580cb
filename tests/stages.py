"""Trainings in stages that are interrupted, and go on."""

from dataclasses import replace

import pytest
import torch

from canonic.learn import Gradient
from canonic.learn.zoo.training import train


def gone_on(known, samples, recipe, folder, monkeypatch, update):
    """Return a training that was interrupted at an update; raise unless it comes to what one without a stop does."""
    known = replace(known, ann_few=replace(recipe, epochs=1))
    whole = train(known, samples, recipe, progress=False)
    with monkeypatch.context() as patch:
        stopped_at(patch, update)
        with pytest.raises(KeyboardInterrupt):
            train(known, samples, recipe, folder=folder, progress=False)
    again = train(known, samples, recipe, folder=folder, progress=False)
    for name, tensor in whole.system.net.state_dict().items():
        assert torch.equal(tensor, again.system.net.state_dict()[name])
    return again


def stopped_at(monkeypatch, update):
    """Interrupt a training in the place of an update."""
    done, step = [], Gradient.step

    def counted(self, x, y, moment):
        done.append(1)
        if len(done) == update:
            raise KeyboardInterrupt
        return step(self, x, y, moment)

    monkeypatch.setattr(Gradient, "step", counted)
