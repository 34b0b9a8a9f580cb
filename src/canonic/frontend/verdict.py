"""What the front end says of one call."""

from dataclasses import dataclass
from typing import Literal

from canonic.network.graph import Kind, Origin


@dataclass(frozen=True)
class Verdict:
    """What becomes of one call: its kind, or "refused" with the reason and what to do.

    Attributes:
        name: of the node.
        kind: what it becomes.
        shape: of its result, without the batch.
        origin: where it stands in the model.
        reason: why it is refused, or passes its stream through.
        remedy: what to do about it.
        note: what its weights read where that is not one stream of spikes, or where a scale or sum has gone.
        multiplies: whether its weights are multiplied, as they read numbers; the note says which.
    """

    name: str
    kind: Kind | Literal["refused"]
    shape: tuple[int, ...]
    origin: Origin
    reason: str = ""
    remedy: str = ""
    note: str = ""
    multiplies: bool = False

    @property
    def remark(self) -> str:
        """The reason and what to do; the operator, and what is to be noted, where there is none."""
        said = f"{self.reason}: {self.remedy}" if self.remedy else self.reason
        return said or ": ".join(filter(None, (self.origin.operator, self.note)))
