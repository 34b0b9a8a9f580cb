"""A network in which codes meet in every way, and the codes that do."""

import torch
from torch import Tensor, nn

TEXTS = (
    *("css:6", "css:5,silent=0,levels=8", "rate:8", "signed-rate:8", "phase:6", "phase:3,2", "burst:6"),
    *("growing-burst:6", "latency:8", "exponential-latency:8", "binary:6", "few-spike:6", "multi-threshold:4"),
    *("differential:4", "count:6"),
)


class Mixed(nn.Module):
    """A residual sum, a concatenation of two populations, max pooling, a product of streams, and biases."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(n, 4, 3, padding=1) for n in (1, 4, 4))
        self.a, self.b, self.c, self.pool = nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.MaxPool2d(2)
        self.last = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, 3]`` of pictures ``[batch, 1, 4, 4]``."""
        a = self.a(self.first(x))
        b = self.b(self.second(a))
        c = self.c(self.third(b) + a)
        y: Tensor = self.last(torch.cat([self.pool(c), self.pool(b) * 0.5], 1).flatten(1))
        return y
