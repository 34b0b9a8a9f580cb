"""Networks made of layers and a function that joins them."""

import torch
from torch import nn


class Lambda(nn.Module):
    """A network made of layers and a function that joins them."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            if isinstance(layer, torch.Tensor):
                self.register_buffer(name, layer)
            else:
                self.add_module(name, layer)

    def forward(self, *inputs):
        return self.function(self, *inputs)


def conv(before, after, kernel=3, **options):
    return nn.Conv2d(before, after, kernel, **{"padding": 1, **options})
