"""Magika (Fratantonio et al. 2024): what kind of file it is, one of 214, from its first and last 1,024 bytes."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import sklearn
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.public.subject import Samples
from benchmarks.public.weights import package_file, read

MODEL = "magika/models/standard_v3_3"
BYTES, BLOCK, PADDING = 1024, 4096, 256
"""Bytes of either end that are looked at, bytes among which they are looked for, and what stands for none."""

KINDS = {
    ".c": "c",
    ".css": "css",
    ".csv": "csv",
    ".cu": "cpp",
    ".gz": "gzip",
    ".h": "cpp",
    ".html": "html",
    ".jpg": "jpeg",
    ".js": "javascript",
    ".json": "json",
    ".npz": "npz",
    ".pdf": "pdf",
    ".png": "png",
    ".py": "python",
    ".rst": "rst",
    ".so": "elf",
    ".svg": "svg",
    ".ttf": "ttf",
    ".yaml": "yaml",
}
"""Kinds of the files of some packages, by the ends of their names."""


class Magika(nn.Module):
    """An embedding of bytes, four in a row taken together, one convolution over them and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = nn.Embedding(257, 64)
        self.places = nn.LayerNorm(512, eps=1e-6)
        self.conv = nn.Conv1d(256, 512, 5)
        self.channels = nn.LayerNorm(512, eps=1e-6)
        self.classes = nn.Linear(512, 214)

    def forward(self, x: Tensor) -> Tensor:
        """Return the likelihood ``[batch, 214]`` of each kind, from bytes ``[batch, 2048]``, 256 for none."""
        y = F.gelu(self.bytes(x), approximate="tanh").reshape(-1, 512, 256).transpose(1, 2)
        y = F.gelu(self.conv(self.places(y)), approximate="tanh").amax(2)
        likely: Tensor = self.classes(self.channels(y)).softmax(1)
        return likely


def build() -> Magika:
    """Return the network with its weights."""
    known = {name.split("get_logits_/")[-1]: value for name, value in read(package_file(f"{MODEL}/model.onnx")).items()}
    weights = {
        "bytes.weight": known["Const:0"] + known["MagikaV2/Dense_0/Reshape:0"][0],
        "conv.weight": known["MagikaV2/Conv_0/transpose_3:0"].squeeze(3),
        "conv.bias": known["const_fold_opt__209"].flatten(),
        "classes.weight": known["Const_24:0"].T,
        "classes.bias": known["MagikaV2/Dense_1/Reshape:0"][0],
    }
    for number, name in enumerate(("places", "channels")):
        weights[f"{name}.weight"] = known[f"MagikaV2/LayerNorm_{number}/Reshape_2:0"].flatten()
        weights[f"{name}.bias"] = known[f"MagikaV2/LayerNorm_{number}/Reshape_3:0"].flatten()
    model = Magika()
    model.load_state_dict(weights)
    return model.eval()


def samples() -> Samples:
    """Return files of packages that are installed with torch, every other one to calibrate with; twelve of a kind."""
    names = json.loads(package_file(f"{MODEL}/config.min.json").read_text())["target_labels_space"]
    found = list(_found())
    x = torch.stack([_ends(path.read_bytes()) for path, _ in found])
    y = torch.tensor([names.index(kind) for _, kind in found])
    return Samples([(part,) for part in torch.split(x[::2], 32)], (x[1::2],), y[1::2])


def _found() -> Iterator[tuple[Path, str]]:
    by_kind = defaultdict[str, list[Path]](list)
    for package in (matplotlib, sklearn, torch):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*")):
            if path.suffix in KINDS and path.stat().st_size > 64:
                by_kind[KINDS[path.suffix]].append(path)
    for kind, paths in by_kind.items():
        yield from ((path, kind) for path in paths[:: -(-len(paths) // 12)])


def _ends(content: bytes) -> Tensor:
    """Return the first and the last bytes of a file, without white space before and behind them, ``[2048]``."""
    first, last = content[:BLOCK].lstrip()[:BYTES], content[-BLOCK:].rstrip()[-BYTES:]
    missing = [[PADDING] * (BYTES - len(part)) for part in (first, last)]
    return torch.tensor([*first, *missing[0], *missing[1], *last])
