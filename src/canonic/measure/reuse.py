"""How often a layer has use for what it reads: what a dataflow that keeps things at the adders can share."""

from typing import NamedTuple

from canonic.network.graph import Node


class Reuse(NamedTuple):
    """How often a layer has use for what it reads.

    Attributes:
        places: outputs that a weight is used for, N.
        channels: outputs that a number meets at a place, G.
    """

    places: int = 1
    channels: int = 1


ONCE = Reuse()


def reuse_of(node: Node) -> Reuse:
    """Return how often a node has use for its weights and inputs."""
    weight = node.tensors.get("weight")
    if weight is None:
        return ONCE
    groups = int(node.arguments.get("groups", 1))
    if "transposes" in node.traits:
        outputs = weight.shape[1] * groups
    elif "slides" in node.traits or "maps rows" in node.traits:
        outputs = weight.shape[0]
    else:
        return Reuse(max(1, node.size // weight.numel()))
    return Reuse(node.size // outputs, outputs // groups)
