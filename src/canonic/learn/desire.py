"""Desire backpropagation (arXiv 2211.05412, Neurocomputing 2023): a local rule with a wish of each neuron, no gradient.

Forward, T steps: pixels drive neurons without leak; behind them ``v = 3/4 v + W s``, ``s = H(v - 1)``, ``v = v - s``,
each layer reading what the one before sent a step earlier. A wish is D in {-1, 0, 1}, with r = count / (T - 4)::

    outputs   D = (2 y - 1) H(e > 0.3),  e = |y - r|,  y = 1 at the label
    hidden    q = W' (|y - r| D) of the layer after;  y = H(q > 0);  D = (2 y - 1) H(|q| >= quiet);  dropped: D = 0
    linear    dW[j, i] = eta sum_t D[j] s[j, t] x[i, t],   x[t] = 3/4 x[t-1] + s_in[t]
    kernels   dK = -(eta / places) corr(sum_t s_in, (r - y) |D|)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.grad import conv2d_input, conv2d_weight

from canonic.errors import DataError, TrainingError
from canonic.learn.answers import hits, require_labels
from canonic.learn.recipe import Recipe
from canonic.learn.system import Moment, seeded

LEAK, FIRST = 0.75, 4
"""What is left of membranes and traces after a step; the steps before anything can reach the outputs."""
MISSED = 0.3
"""An output wishes nothing whose error is at most this."""
QUIET = {nn.Linear: 0.05, nn.Conv2d: 0.2}
"""A hidden neuron wishes nothing whose q is below this: by the kind of the layer that q comes back through."""

Layer = nn.Linear | nn.Conv2d
Stream = Float[Tensor, "time batch ..."]


def encoded(x: Float[Tensor, "batch *shape"], steps: int) -> Float[Tensor, "time batch *shape"]:
    """Return the spikes of neurons without leak that numbers drive, one at each whole number reached.

    >>> encoded(torch.tensor([[0.5]]), 4).flatten().tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    v, spikes = torch.zeros_like(x), []
    for _ in range(steps):
        v = v + x
        spikes.append((v >= 1).to(x.dtype))
        v = v - spikes[-1]
    return torch.stack(spikes)


def fired(currents: Stream) -> Stream:
    """Return the spikes of leaky neurons."""
    v, spikes = torch.zeros_like(currents[0]), torch.empty_like(currents)
    for t, current in enumerate(currents):
        v = LEAK * v + current
        spikes[t] = v >= 1
        v = v - spikes[t]
    return spikes


def traces(spikes: Stream) -> Stream:
    """Return the leaky sums of spikes."""
    x = spikes.clone()
    for t in range(1, len(x)):
        x[t] += LEAK * x[t - 1]
    return x


@dataclass(frozen=True)
class Pass:
    """What one layer did with a batch.

    Attributes:
        layer: of the network.
        read: the spikes that it read.
        sent: its own.
        kept: of each of its neurons whether its spikes are read, 0 where dropout silences it; None where all are.
    """

    layer: Layer
    read: Stream
    sent: Stream
    kept: Float[Tensor, "batch *shape"] | None = None

    @property
    def rate(self) -> Float[Tensor, "batch *shape"]:
        """Spikes of each neuron over the steps in which there can be some."""
        return self.sent.sum(0) / (len(self.sent) - FIRST)


@dataclass(frozen=True)
class Wish:
    """What the neurons of a layer wish.

    Attributes:
        y: to fire, 1, or not, 0.
        direction: D, 0 where nothing is wished.
    """

    y: Float[Tensor, "batch *shape"]
    direction: Float[Tensor, "batch *shape"]


def wish_of_outputs(rate: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]) -> Wish:
    """Return what outputs wish: the label to fire, the others not."""
    wanted = F.one_hot(y, rate.shape[1]).to(rate.dtype)
    return Wish(wanted, (2 * wanted - 1) * ((wanted - rate).abs() > MISSED))


def wish_of_hidden(after: Pass, wish: Wish, before: Pass) -> Wish:
    """Return what a hidden layer wishes, from the wish of the layer after it."""
    error = (wish.y - after.rate).abs() * wish.direction
    q = _back(after.layer, error, after.read.shape[2:]).view_as(before.sent[0])
    y = (q > 0).to(q.dtype)
    direction = (2 * y - 1) * (q.abs() >= QUIET[type(after.layer)])
    return Wish(y, direction if before.kept is None else direction * (before.kept > 0).view_as(direction))


def _back(layer: Layer, error: Float[Tensor, "batch *shape"], shape: Sequence[int]) -> Float[Tensor, "batch *before"]:
    """Return ``W' error``."""
    if isinstance(layer, nn.Linear):
        return error @ layer.weight
    back: Tensor = conv2d_input([len(error), *shape], layer.weight, error, layer.stride, layer.padding)  # type: ignore[no-untyped-call]
    return back


def moved(done: Pass, wish: Wish) -> Tensor:
    """Return the change of a layer's weights for eta = 1, summed over the samples."""
    layer = done.layer
    if isinstance(layer, nn.Linear):
        wanted = (done.sent * wish.direction).flatten(0, 1)
        return wanted.t() @ traces((done.read > 0).to(wanted.dtype)).flatten(0, 1)
    error = (done.rate - wish.y) * wish.direction.abs()
    places = error.shape[2] * error.shape[3]
    given = done.read.sum(0), layer.weight.shape, error, layer.stride, layer.padding
    change: Tensor = conv2d_weight(*given)  # type: ignore[no-untyped-call]
    return change / -places


class Desire:
    """The system of desire backpropagation; the rate of its recipe is eta of a sample, added up over a batch.

    Args:
        net: linear layers and convolutions without bias, and ``nn.Flatten`` between, one after the other.
        shape: of a sample.
        recipe: batch, epochs, rate and schedule are read.
        steps: T, above 4.
        dropout: of what the first layer reads, and of what the others do; a mask is held over all steps.

    Raises:
        TrainingError: if a layer is none of these, or has a bias.
    """

    def __init__(
        self,
        net: nn.Sequential,
        shape: Sequence[int],
        recipe: Recipe,
        steps: int,
        dropout: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        for name, layer in net.named_children():
            if not isinstance(layer, Layer | nn.Flatten) or getattr(layer, "bias", None) is not None:
                raise TrainingError(
                    f"layer {name} is a {type(layer).__name__} that desires do not reach: take nn.Linear and nn.Conv2d "
                    "with bias=False, and nn.Flatten"
                )
        self.net: nn.Module = net
        self.shape, self.recipe, self.steps, self.dropout = tuple(shape), recipe, steps, dropout

    def passes(self, x: Float[Tensor, "batch *shape"]) -> list[Pass]:
        """Return what each layer does; masks are drawn from torch's generator while the network trains.

        Raises:
            DataError: if samples have another shape, or lie outside [0, 1].
        """
        if tuple(x.shape[1:]) != self.shape:
            raise DataError(f"samples have the shape {list(self.shape)} here, got {list(x.shape[1:])}")
        if not bool(((x >= 0) & (x <= 1)).all()):
            low, high = float(x.min()), float(x.max())
            raise DataError(f"neurons are driven by numbers in [0, 1], got {low:.3g} to {high:.3g}: scale them")
        spikes, done = encoded(x.to(torch.get_default_dtype()), self.steps), list[Pass]()
        for layer in self.net.children():
            if not isinstance(layer, Layer):
                spikes = spikes.flatten(2)
                continue
            read, kept = self._masked(spikes, self.dropout[bool(done)])
            done[-1:] = [replace(last, kept=kept) for last in done[-1:]]
            with torch.no_grad():
                currents = layer(read.flatten(0, 1)).unflatten(0, read.shape[:2])
            done.append(Pass(layer, read, fired(currents)))
            spikes = torch.cat([torch.zeros_like(done[-1].sent[:1]), done[-1].sent[:-1]])
        return done

    def _masked(self, spikes: Stream, share: float) -> tuple[Stream, Tensor | None]:
        """Return spikes without those of some neurons, the others scaled, and by what; None where all are kept."""
        if not share or not self.net.training:
            return spikes, None
        kept = F.dropout(torch.ones_like(spikes[0]), share)
        return spikes * kept, kept

    def step(self, x: Tensor, y: Tensor, moment: Moment) -> Mapping[str, float]:
        """Move the weights by one batch; "loss" is the mean square of what rates miss at the outputs.

        "silent", if any is, is the share of samples of which no output spikes.
        """
        self.net.train()
        with torch.no_grad(), seeded(moment.seed, x.device):
            done = self.passes(x)
            counts = _counts(done[-1].sent)
            require_labels(y, counts)
            wish, (right, counted) = wish_of_outputs(done[-1].rate, y), hits(counts, y)
            loss = float((wish.y - done[-1].rate).square().mean())
            changes = [moved(done[-1], wish)]
            for before, after in zip(reversed(done[:-1]), reversed(done[1:]), strict=True):
                wish = wish_of_hidden(after, wish, before)
                changes.append(moved(before, wish))
            for each, change in zip(reversed(done), changes, strict=True):
                each.layer.weight.add_(change, alpha=self.recipe.optimiser.lr * moment.rate)
        silent = float((counts[-1] == 0).all(1).float().mean())
        return {"loss": loss, "accuracy": right / max(counted, 1), **({"silent": silent} if silent else {})}

    def answer(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "time batch classes"]:
        """Return the counts of the outputs after each step."""
        self.net.eval()
        with torch.no_grad():
            return _counts(self.passes(x)[-1].sent)

    def memory(self) -> Mapping[str, Tensor]:
        """Return nothing: the weights are all that it goes on from."""
        return {}

    def recall(self, memory: Mapping[str, Tensor]) -> None:
        """Go on from nothing."""


def _counts(spikes: Float[Tensor, "time batch classes"]) -> Float[Tensor, "time batch classes"]:
    return spikes.cumsum(0)
