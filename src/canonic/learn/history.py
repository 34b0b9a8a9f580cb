"""What a training was, and how it went."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Attributes:
        measures: means over the samples, while the weights changed: "loss", "accuracy" in [0, 1].
        seconds: of the processor, of this process.
        validation: accuracy on the validation samples after it; None without.
        validation_loss: the loss of them, likewise; None of a system that has none.
    """

    measures: Mapping[str, float]
    seconds: float
    validation: float | None = None
    validation_loss: float | None = None


@dataclass(frozen=True)
class History:
    """A training, from its first epoch to its last.

    Attributes:
        record: the recipe with its seed, versions, and digests of the data: plain data.
        epochs: what each gave.
        begun: epochs of the stages before the last one; the weights are of none of them.
    """

    record: Mapping[str, Any]
    epochs: tuple[Epoch, ...] = ()
    begun: int = 0

    @property
    def chosen(self) -> int:
        """Of which epoch the weights are, from 1: the first of the best validation accuracy, without it the last."""
        scores = [epoch.validation for epoch in self.epochs[self.begun :]]
        known = [score for score in scores if score is not None]
        return self.begun + (scores.index(max(known)) + 1 if known else len(scores))

    def over(self, patience: int | None) -> bool:
        """Say whether the last so many epochs were no better than the one that is chosen."""
        return patience is not None and len(self.epochs) - self.chosen >= patience

    def then(self, stage: "History") -> "History":
        """Return the history of both, where this training was followed by another stage of it."""
        return History(stage.record, self.epochs + stage.epochs, len(self.epochs))

    def knowing(self, **facts: Mapping[str, Any]) -> "History":
        """Return the history with more in its record: what is not empty of these."""
        return replace(self, record={**self.record, **{name: dict(known) for name, known in facts.items() if known}})

    @property
    def seconds(self) -> float:
        """Processor time of all epochs, of one process."""
        return sum(epoch.seconds for epoch in self.epochs)

    def to_json(self) -> dict[str, Any]:
        """Return the history as plain data; it says on what the epoch of the weights was chosen."""
        on = self._chosen_on()
        epochs = [asdict(epoch) for epoch in self.epochs]
        told = {"record": dict(self.record), "epochs": epochs, "chosen": self.chosen, "chosen_on": on}
        return told | ({"begun": self.begun} if self.begun else {})

    def _chosen_on(self) -> str:
        if not self.epochs or self.epochs[0].validation is None:
            return "nothing: it is the last"
        share = (self.record.get("validation") or {}).get("held_out")
        return "validation" if share is None else f"{100 * share:.3g} % of the training samples, held out"

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "History":
        """Return the history that plain data stand for."""
        return History(data["record"], tuple(Epoch(**epoch) for epoch in data["epochs"]), data.get("begun", 0))
