"""What the front end says of one call."""

from dataclasses import dataclass
from typing import Literal

from canonic.network.graph import Kind, Origin


@dataclass(frozen=True)
class Verdict:
    """What becomes of one call: its kind, or "refused" with the reason and what to do."""

    name: str
    kind: Kind | Literal["refused"]
    shape: tuple[int, ...]
    origin: Origin
    reason: str = ""
    remedy: str = ""

    @property
    def remark(self) -> str:
        """The reason and what to do; the operator where there is nothing to say."""
        said = f"{self.reason}: {self.remedy}" if self.remedy else self.reason
        return said or self.origin.operator
