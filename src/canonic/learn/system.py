"""What is trained, and how one batch moves it: autograd of a loss, for every method that has a gradient."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from canonic.cluster import Workers, workers
from canonic.errors import TrainingError
from canonic.learn.answers import hits, require_labels
from canonic.learn.overflow import culprit, overflowed, require_samples
from canonic.learn.recipe import Recipe
from canonic.learn.schedule import Run
from canonic.words import one

Forward = Callable[[nn.Module, Tensor, int | None], Run]
"""What a network does with a batch ``[batch, *shape]``, for a seed of what is random in it."""

Loss = Callable[[Run, Tensor], Tensor]
"""A number for what a network did, and the labels."""

Readout = Callable[[Run], Tensor]
"""From what a network did to what is decoded after each step, ``[time, batch, classes]``."""


@dataclass(frozen=True)
class Moment:
    """Where in a training an update stands.

    Attributes:
        rate: by what the learning rate is multiplied.
        seed: of what is drawn.
        share: samples of this process, times the processes, over those of all: 1 alone.
    """

    rate: float = 1.0
    seed: int = 0
    share: float = 1.0


@runtime_checkable
class System(Protocol):
    """A network, and how a batch changes it.

    Attributes:
        net: what is trained.
        recipe: how.
    """

    net: nn.Module
    recipe: Recipe

    def step(self, x: Tensor, y: Tensor, moment: Moment) -> Mapping[str, float]:
        """Change the network by one batch; return the means of what is to be told, as "loss" and "accuracy".

        They are empty where nothing in the batch has a label.
        """
        ...

    def answer(self, x: Tensor) -> Float[Tensor, "time batch classes"]:
        """Return what is decoded after each step; the network stays as it is."""
        ...

    def memory(self) -> Mapping[str, Tensor]:
        """Return what it goes on from, beside the network."""
        ...

    def recall(self, memory: Mapping[str, Tensor]) -> None:
        """Go on from what ``memory`` returned."""
        ...


def once(net: nn.Module, x: Tensor, seed: int | None) -> Run:  # noqa: ARG001 - as of every forward
    """Return what a network without time does: the forward of an ANN, a network of one step."""
    return Run(net(x)[None])


def at_each_step(net: nn.Module, x: Tensor, seed: int | None) -> Run:  # noqa: ARG001 - as of every forward
    """Return what a network does that takes sequences ``[batch, time, channels]`` and answers at each step."""
    return Run(net(x.to(torch.get_default_dtype())).transpose(0, 1))


class Gradient:
    """The system of every method that has a gradient: a forward pass, a loss, and an optimiser.

    Under ``torchrun`` the gradients of all processes are averaged by torch's DistributedDataParallel; batch norm sees
    the samples of its own process, and the statistics of the first are kept.

    Args:
        net: what is trained, on the device where it is.
        forward: what it does, as ``lambda net, x, seed: unroll(net, x, steps=4, seed=seed)``.
        loss: of that, a scalar.
        recipe: how it is trained.
        readout: what is decoded after each step; the outputs by default.
        group: the processes that share the batches; those of torch.distributed if None.

    Raises:
        TrainingError: if the recipe is not for this network.
    """

    def __init__(
        self,
        net: nn.Module,
        forward: Forward,
        loss: Loss,
        recipe: Recipe,
        readout: Readout = lambda run: run.output,
        *,
        group: Workers | None = None,
    ) -> None:
        if not isinstance(recipe, Recipe):
            raise TrainingError(
                f"recipe must be a Recipe, got {one(type(recipe).__name__)}: Recipe(epochs=8, batch=128) is one"
            )
        self.net, self.recipe = net, recipe
        self.optimiser = recipe.optimiser.build(net)
        self.group = group or workers()
        self._pass = _Pass(net, forward, loss, readout, recipe.autocast == "bf16")
        self._shared = self._pass if self.group.world == 1 else _averaged(self._pass)

    def step(
        self, x: Shaped[Tensor, "batch ..."], y: Shaped[Tensor, "batch ..."], moment: Moment
    ) -> Mapping[str, float]:
        """Move the parameters by one batch; return its loss, accuracy and silent part, or nothing if it has no label.

        Raises:
            DataError: if a label is none of the classes, a sample is not finite, or without any label the loss is not.
            TrainingError: if loss or gradient are not finite: the parameters stay as they were.
            ClusterError: if another process was lost.
        """
        self.net.train()
        self.optimiser.zero_grad()
        device = next(self.net.parameters()).device
        x, y = x.to(device), y.to(device)
        with seeded(moment.seed, device):
            loss, readout, silent = self._shared(x, y, moment.seed)
        with self.group.contact():
            (loss * moment.share).backward()
        norm, (right, counted) = self._clipped(), hits(readout, y)
        if not (loss.isfinite() and norm.isfinite()):
            require_samples(x, counted, loss.item())
            with seeded(moment.seed, device):
                where = culprit(self.net, lambda: self._pass.run(x, moment.seed))
            raise TrainingError(overflowed(loss.item(), norm.item(), where, self.recipe))
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.optimiser.lr * group["factor"] * moment.rate
        self.optimiser.step()
        told = {"silent": silent.item()} if silent else {}
        return {"loss": loss.item(), "accuracy": right / counted, **told} if counted else {}

    def answer(self, x: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "time batch classes"]:
        """Return what is decoded after each step, in evaluation mode."""
        return self._pass.readout(self.run(x))

    def judged(
        self, x: Shaped[Tensor, "batch ..."], y: Shaped[Tensor, "batch ..."]
    ) -> tuple[Float[Tensor, "time batch classes"], float]:
        """Return what is decoded after each step, and the loss of it, in evaluation mode."""
        run = self.run(x)
        readout = self._pass.readout(run)
        y = y.to(readout.device)
        require_labels(y, readout)
        return readout, self._pass.loss(run, y).item()

    def run(self, x: Shaped[Tensor, "batch ..."]) -> Run:
        """Return what the network does, in evaluation mode; what is random draws from the seed of the recipe."""
        self.net.eval()
        with torch.no_grad():
            return self._pass.run(x.to(next(self.net.parameters()).device), self.recipe.seed)

    def loss(self, x: Shaped[Tensor, "batch ..."], y: Shaped[Tensor, "batch ..."]) -> Float[Tensor, ""]:
        """Return the loss of a batch with its graph, in training mode."""
        self.net.train()
        device = next(self.net.parameters()).device
        with seeded(self.recipe.seed, device):
            loss: Tensor = self._pass(x.to(device), y.to(device), self.recipe.seed)[0]
        return loss

    def memory(self) -> Mapping[str, Tensor]:
        """Return the moments of the optimiser, by the number of the parameter."""
        state = self.optimiser.state_dict()["state"]
        return {
            f"{number}/{key}": value for number, own in state.items() for key, value in own.items() if value is not None
        }

    def recall(self, memory: Mapping[str, Tensor]) -> None:
        """Give the optimiser its moments."""
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in memory.items():
            number, key = name.split("/")
            state.setdefault(int(number), {})[key] = value.clone()
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})

    def _clipped(self) -> Float[Tensor, ""]:
        """Return the norm of all gradients together, which are then clipped."""
        parameters = [p for p in self.net.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self.recipe.clip is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.recipe.clip, norm)
        return norm


class _Pass(nn.Module):
    """One forward pass with its loss, as the module that DistributedDataParallel wraps."""

    def __init__(self, net: nn.Module, forward: Forward, loss: Loss, readout: Readout, halved: bool) -> None:
        super().__init__()
        self.net, self.pass_through, self.loss, self.readout, self.halved = net, forward, loss, readout, halved

    def run(self, x: Tensor, seed: int | None) -> Run:
        """Return what the network does, its output in fp32."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.halved):
            run = self.pass_through(self.net, x, seed)
        if not isinstance(run, Run):
            raise TrainingError(
                f"forward must return what unroll does, a Run, got {one(type(run).__name__)}: return unroll(net, x, "
                "steps=4, seed=seed) itself"
            )
        return replace(run, output=run.output.float())

    def forward(self, x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss, what is decoded after each step, and the share of samples of which nothing comes."""
        run = self.run(x, seed)
        with torch.no_grad():
            readout = self.readout(run)
        require_labels(y, readout)
        loss = self.loss(run, y)
        _require_loss(loss)
        return loss, readout, (run.output.detach() == run.rest).movedim(1, 0).flatten(1).all(1).float().mean()


def _require_loss(loss: object) -> None:
    """Raise a TrainingError unless a loss is one number with a gradient."""
    if not isinstance(loss, Tensor) or loss.dim() or not loss.requires_grad:
        got = f"one of the shape {list(loss.shape)}" if isinstance(loss, Tensor) else one(type(loss).__name__)
        got += " without gradient" * (isinstance(loss, Tensor) and not loss.requires_grad)
        raise TrainingError(
            f"the loss must be one number with a gradient, a tensor of the shape [], got {got}: return a mean over the "
            "samples, as losses.cross_entropy(run.output, y) does"
        )


def _averaged(module: nn.Module) -> nn.Module:
    """Return a module whose gradients are the means of those of all processes; buffers are those of each."""
    shared = DistributedDataParallel(module)
    shared.broadcast_buffers = False
    return shared


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let what draws from torch's generators draw from a seed, and leave them as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
