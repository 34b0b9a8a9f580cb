"""The three networks of MTCNN (Zhang et al. 2016), which find faces: one proposes windows, two refine them."""

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.public.subject import Measured, Samples, share
from benchmarks.public.vision import photos
from benchmarks.public.weights import package_file, read

SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, int]]] = {
    "pnet": ((10, 16, 32), (3, 3, 3), {"conv4_1": 2, "conv4_2": 4}),
    "rnet": ((28, 48, 64), (3, 3, 2), {"dense5_1": 2, "dense5_2": 4}),
    "onet": ((32, 64, 64, 128), (3, 3, 3, 2), {"dense6_1": 2, "dense6_2": 4, "dense6_3": 10}),
}
"""Channels and kernels of the convolutions, and the width of each answer: faces or not, the box, five landmarks."""

POOLS = {"pnet": (2,), "rnet": (3, 3), "onet": (3, 3, 2)}
HIDDEN = {"rnet": (576, 128), "onet": (1152, 256)}


class Detector(nn.Module):
    """Convolutions with PReLU and max pooling, and a head for each answer."""

    def __init__(self, name: str) -> None:
        super().__init__()
        channels, kernels, heads = SHAPES[name]
        self.pools, self.heads, self.dense = POOLS[name], tuple(heads), HIDDEN.get(name)
        before = 3
        for place, (after, kernel) in enumerate(zip(channels, kernels, strict=True), 1):
            self.add_module(f"conv{place}", nn.Conv2d(before, after, kernel))
            self.add_module(f"prelu{place}", nn.PReLU(after))
            before = after
        self.layers = len(channels)
        if self.dense:
            self.add_module(f"dense{self.layers + 1}", nn.Linear(*self.dense))
            self.add_module(f"prelu{self.layers + 1}", nn.PReLU(self.dense[1]))
        for head, width in heads.items():
            layer = nn.Linear(self.dense[1], width) if self.dense else nn.Conv2d(before, width, 1)
            self.add_module(head, layer)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the likelihood of no face and of a face ``[batch, 2, ...]``, the box, and the landmarks of onet."""
        for place in range(1, self.layers + 1):
            x = self.get_submodule(f"prelu{place}")(self.get_submodule(f"conv{place}")(x))
            if place <= len(self.pools):
                x = F.max_pool2d(x, self.pools[place - 1], 2, ceil_mode=True)
        if self.dense:
            x = self.get_submodule(f"dense{self.layers + 1}")(x.permute(0, 3, 2, 1).flatten(1))
            x = self.get_submodule(f"prelu{self.layers + 1}")(x)
        face, *others = (self.get_submodule(head)(x) for head in self.heads)
        return face.softmax(1), *others


@cache
def build(name: str) -> Detector:
    """Return "pnet", "rnet" or "onet" with its weights."""
    model = Detector(name)
    model.load_state_dict(read(package_file(f"facenet_pytorch/data/{name}.pt")))
    return model.eval()


def samples(name: str) -> Samples:
    """Return photos for pnet; for the others the windows that the network before them finds likeliest."""
    seen, given = (_windows(name, photos(first, count)[0]) for first, count in ((0, 32), (48, 64)))
    return Samples([(part,) for part in torch.split(seen, 32)], (given,))


def _windows(name: str, pictures: Tensor) -> Tensor:
    """Return what a network looks at, as it expects it: values from -1 to 1."""
    x = pictures * 2 - 1
    if name == "pnet":
        return F.interpolate(x, (96, 96), mode="bilinear", antialias=True)
    with torch.no_grad():
        coarse = F.interpolate(x, (96, 96), mode="bilinear", antialias=True)
        face = build("pnet")(coarse)[0][:, 1]  # a cell is a window of 12 pixels of the coarse picture, every 2
    places = face.flatten(1).topk(4).indices
    rows, columns = 2 * (places // face.shape[2]), 2 * (places % face.shape[2])
    scale, size = x.shape[2] / 96, 24 if name == "rnet" else 48
    crops = [
        F.interpolate(
            _crop(x[i : i + 1], int(r * scale), int(c * scale), int(12 * scale)), (size, size), mode="bilinear"
        )
        for i in range(len(x))
        for r, c in zip(rows[i].tolist(), columns[i].tolist(), strict=True)
    ]
    return torch.cat(crops)


def _crop(x: Tensor, row: int, column: int, size: int) -> Tensor:
    return x[:, :, row : row + size, column : column + size]


def measure(answers: Sequence[Tensor], _: Samples) -> Measured:
    """Return the share of windows in which a face is found: what a right answer would be is not known."""
    return {"found_percent": share(answers[0][:, 1] > 0.6)}


def compare(source: Sequence[Tensor], spiking: Sequence[Tensor]) -> Measured:
    """Return how often both decide alike, and the mean difference of the edges of boxes, in parts of the window."""
    alike = (source[0][:, 1] > 0.6) == (spiking[0][:, 1] > 0.6)
    apart = (source[1] - spiking[1]).abs().mean()
    return {"same_decision_percent": share(alike), "boxes_apart": float(apart)}
