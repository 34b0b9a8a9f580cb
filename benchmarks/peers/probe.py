"""What is measured of a converted network, whatever converted it: pure torch, as ``benchmarks.small_networks``."""

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.small_networks import NETWORKS, build, inputs, relative_error

STEPS = (8, 32, 256)
SECONDS = 60
NON_LINEAR = {
    "relu": "relu",
    "relu_": "relu",
    "hardtanh": "relu6",
    "leaky_relu": "leaky_relu",
    "gelu": "gelu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "hardswish": "hardswish",
    "silu": "silu",
    "_softmax": "softmax",
    "_safe_softmax": "softmax",
    "_scaled_dot_product_flash_attention_for_cpu": "softmax",
    "_native_multi_head_attention": "softmax",
    "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm",
    "mkldnn_rnn_layer": "lstm",
}
"""What torch calls its non-linear operators, and what a reader does. Poolings are not among them."""

Record = dict[str, Any]
Converted = Callable[[str, nn.Module, Tensor, Tensor], Record]


class Probe(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which non-linear operators run outside the spiking neurons, which of their layers spike, and how much.

    Args:
        model: the converted network; it is run inside ``with probe:``.
        neurons: the classes of its spiking neurons, whose own operators do not count.
    """

    def __init__(self, model: nn.Module, neurons: tuple[type[nn.Module], ...]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.analog: set[str] = set()
        self.spiking: set[str] = set()
        self.most = 0
        self._inside = 0
        layers = [(name, module) for name, module in model.named_modules() if isinstance(module, neurons)]
        self._hooks = [module.register_forward_pre_hook(self._enter) for _, module in layers]
        self._hooks += [module.register_forward_hook(self._leave(name)) for name, module in layers]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the operator and run it."""
        name = func.overloadpacket.__name__
        if name in NON_LINEAR and not self._inside:
            self.analog.add(NON_LINEAR[name])
        return func(*args, **(kwargs or {}))

    def _enter(self, *_: Any) -> None:
        self._inside += 1

    def _leave(self, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def note(module: nn.Module, _inputs: Any, output: Tensor) -> None:
            self._inside -= 1
            spikes = output / getattr(module, "v_threshold", 1.0)  # some neurons send spikes times threshold
            if spikes.count_nonzero():
                self.spiking.add(name)
                self.most = max(self.most, round(float(spikes.abs().max())))

        return note

    def record(self) -> Record:
        """Take the hooks off and return what was seen."""
        for hook in self._hooks:
            hook.remove()
        remarks = [] if self.spiking else ["nothing spikes"]
        if self.analog:
            remarks.append(f"left analog: {', '.join(sorted(self.analog))}")
        if self.most > 1:
            remarks.append(f"up to {self.most} spikes of a neuron in a step")
        return {"spiking layers": len(self.spiking), "remark": "; ".join(remarks)}


def survey(converted: Converted) -> dict[str, Record]:
    """Return for every network what a converter makes of it, or the beginning of the error it ends in.

    Args:
        converted: takes the name, the network, the calibration batch and the test batch; returns a record with
            "error", the relative error of the answer after each number of steps.
    """
    return {name: attempt(name, converted) for name in NETWORKS}


def attempt(name: str, converted: Converted) -> Record:
    """Return the record of one network; any error is an answer, and so is a minute without one."""
    torch.manual_seed(0)
    try:
        with at_most(SECONDS), torch.no_grad():
            return converted(name, build(name), *inputs(name))
    except Exception as error:  # noqa: BLE001 - whatever a tool raises is its answer
        return {"refused": f"{type(error).__name__}: {beginning(str(error))}"}


def beginning(text: str) -> str:
    """Return the first line of a text without addresses, and the second one too behind a colon.

    >>> beginning("no such operator:\\n  <function relu at 0x7f00>\\nand so on")
    'no such operator: <function relu>'
    """
    lines = [line.strip() for line in re.sub(" at 0x[0-9a-f]+", "", text).strip().splitlines()] or [""]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise a TimeoutError after so many seconds."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"no answer within {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def errors_of_means(outputs: Tensor, wanted: Tensor) -> dict[int, float]:
    """Return the relative error of the mean output over the first 8, 32 and 256 steps of ``[steps, batch, ...]``."""
    return {steps: relative_error(outputs[:steps].mean(0), wanted) for steps in STEPS}
