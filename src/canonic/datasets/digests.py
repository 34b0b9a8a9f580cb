"""Digests of samples: what a network was calibrated on, in a few bytes, and which samples it has seen."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

KEPT = 1024
"""Samples that are remembered one by one; of more, those with the smallest hashes, which are drawn as by chance."""

DIGITS = 16
"""Hexadecimal digits that are kept of a hash: 64 bits."""


@dataclass(frozen=True)
class Digest:
    """Samples, known by the SHA-256 hashes of their inputs. Those of several parts add up: ``one + other``.

    Attributes:
        samples: how many.
        total: the sum of their hashes: the same in any order.
        least: the first digits of the smallest hashes, in order; at most ``KEPT``.

    >>> import torch
    >>> one, other = (digest_of([torch.full((2, 3), value)]) for value in (0.0, 1.0))
    >>> (one + other).samples, len((one + other).least), (one + other).count(one.least)
    (4, 2, 1)
    """

    samples: int = 0
    total: int = 0
    least: tuple[str, ...] = ()

    def __add__(self, other: "Digest") -> "Digest":
        least = tuple(sorted({*self.least, *other.least})[:KEPT])
        return Digest(self.samples + other.samples, self.total + other.total, least)

    @property
    def sha256(self) -> str:
        """One hash of all."""
        return f"{self.total % 2**256:064x}"

    def count(self, hashes: Iterable[str]) -> int:
        """Return how many hashes of samples are among those that are kept: all that were seen, if these are all."""
        kept = set(self.least)
        return sum(one in kept for one in hashes)

    def to_json(self) -> dict[str, Any]:
        """Return the digest as plain data: 16 bytes a sample that is kept."""
        return {"samples": self.samples, "sha256": self.sha256, "hashes": "".join(self.least)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Digest":
        """Return the digest that plain data stand for; an empty one of none."""
        text = str(data.get("hashes", ""))
        least = tuple(text[start : start + DIGITS] for start in range(0, len(text), DIGITS))
        return Digest(int(data.get("samples", 0)), int(data.get("sha256", "0"), 16), least)


def digest_of(inputs: Sequence[Shaped[Tensor, "batch ..."]]) -> Digest:
    """Return the digest of the samples of a batch."""
    hashes, total = hashed(inputs)
    return Digest(len(hashes), total, tuple(sorted(set(hashes))[:KEPT]))


def digest_of_tensors(tensors: Mapping[str, Any]) -> str:
    """Return the SHA-256 hash of tensors and their names, as of a state dict; what is no tensor there is left out."""
    seen = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        if isinstance(tensor, Tensor):
            seen.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            seen.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return seen.hexdigest()


def hashed(
    inputs: Sequence[Shaped[Tensor, "batch ..."]], labels: Sequence[Shaped[Tensor, "batch ..."]] = ()
) -> tuple[list[str], int]:
    """Return the first digits of the hash of each sample's inputs, and the sum of the hashes with their labels."""
    arrays = [tensor.detach().cpu().contiguous().numpy() for tensor in (*inputs, *labels)]
    hashes, total = [], 0
    for sample in zip(*arrays, strict=True):
        seen = hashlib.sha256()
        for part in sample[: len(inputs)]:
            seen.update(part.tobytes())
        hashes.append(seen.hexdigest()[:DIGITS])
        for part in sample[len(inputs) :]:
            seen.update(part.tobytes())
        total += int.from_bytes(seen.digest())
    return hashes, total
