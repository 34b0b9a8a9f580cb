"""Networks made of layers and a function that joins them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Lambda(nn.Module):
    """A network made of layers and a function that joins them."""

    def __init__(self, function: Callable[..., Any], **layers: nn.Module | torch.Tensor) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            if isinstance(layer, torch.Tensor):
                self.register_buffer(name, layer)
            else:
                self.add_module(name, layer)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(self, *inputs)


def conv(before: int, after: int, kernel: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, **{"padding": 1, **options})
