"""The search for an assignment of codes to layers: as few events as possible within a limit of total steps.

Greedy: each code is measured alone, then every other code in one layer of the best of them. Layers are then changed in
the order of what that cost, loss of likeness to the source over events saved, as long as the answers stay as good.
Boundaries of unlike codes cost steps, as the receiver waits for the sender; so what fits depends on what was changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from canonic.cluster import Workers, workers
from canonic.codes import Weighted
from canonic.conversion.settings import ThresholdRule
from canonic.errors import ConversionError
from canonic.frontend import Model
from canonic.network.graph import Precision
from canonic.network.outputs import Output
from canonic.progress import track
from canonic.sweep.assignments import Change, Space, alone, space_of
from canonic.sweep.grid import Setting
from canonic.sweep.result import Outcome
from canonic.sweep.run import Bench, bench_of
from canonic.sweep.searched import Search, fewest_events, least_likeness, price
from canonic.words import counted


def search(
    model: Model,
    calibration: Iterable[Any],
    data: Iterable[Any],
    codes: Sequence[Weighted | str],
    folder: str | Path,
    *,
    limit: int,
    threshold: ThresholdRule = "mse",
    precision: Precision = "fp32",
    output: Output | None = None,
    group: Workers | None = None,
    progress: bool = True,
) -> Search:
    """Search codes for the layers of a network: few events, total steps within a limit, answers like those of the best.

    What is measured is kept, as by ``sweep``: a search that was stopped goes on, and so does one with another limit.

    Args:
        model: as for ``convert``.
        calibration: as for ``convert``; a list or a DataLoader, read again where unlike codes meet.
        data: as for ``evaluate``, to be read once for every assignment.
        codes: at least two, or their names with their parameters, such as "burst:8".
        folder: for the results, as for ``sweep``.
        limit: the most total steps.
        threshold: the rule that chooses theta.
        precision: that the network runs at.
        output: as for ``evaluate``.
        group: the processes that share the work; those of torch.distributed if None.
        progress: show progress bars, on a terminal.

    Raises:
        CanonicError: if there is no code of a name.
        ConversionError: if the model cannot be converted, a code can carry no layer, or no code answers in time.
        DataError, StorageError, ClusterError, KeyboardInterrupt: as ``sweep``.

    >>> import tempfile, torch
    >>> layers = [torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)]
    >>> x = torch.rand(64, 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = search(torch.nn.Sequential(*layers), [x], [x], ("css", "burst:4"), folder, limit=16, progress=False)
    >>> found.best.total_steps <= 16, sorted(found.assigned)
    (True, ['1', '3'])
    """
    group = group or workers()
    bench = bench_of(model, calibration, data, folder, output=output, group=group, progress=progress)
    space = space_of(bench.examined.graph, codes, threshold, precision)
    searching = _Searching(bench, space, limit, alone(space, limit))
    with bench.kept(lambda: counted(len(searching.tried), "assignment")):
        return searching.result()


@dataclass(frozen=True)
class _Searching:
    """A search under way.

    Attributes:
        bench: what assignments are measured on.
        space: of them.
        limit: of their total steps.
        uniform: those of one code that are within it.
        tried: what came of those that were measured, in order.
    """

    bench: Bench
    space: Space
    limit: int
    uniform: Sequence[Setting]
    tried: dict[Setting, Outcome] = field(default_factory=dict)

    def result(self) -> Search:
        first = self.measured(self.uniform, "each code alone")
        if all(outcome.evaluation is None for outcome in first):
            raise ConversionError(first[0].refused)
        wanted = least_likeness(first)
        self.changed(fewest_events(first, wanted), wanted)
        return Search(tuple(self.tried.values()), tuple(self.space.layers), self.limit, wanted)

    def measured(self, settings: Sequence[Setting], label: str = "") -> Sequence[Outcome]:
        """Measure assignments, and remember them."""
        for outcome in self.bench.measured(settings, label):
            self.tried[outcome.setting] = outcome
        return [self.tried[setting] for setting in settings]

    def changed(self, best: Outcome, wanted: float) -> None:
        """Change layer after layer, from the best so far on; what saves events and keeps the answers as good stays."""
        left = self.ranked(best)
        shown = self.bench.progress and self.bench.group.first
        for _ in track(range(len(left)), "layers together", shown=shown):
            change = next((one for one in left if self.fits(best, one)), None)
            if change is None:
                break
            left.remove(change)
            found = self.measured([self.space.changed(best.setting, change)])
            best = fewest_events((best, *found), wanted)

    def ranked(self, base: Outcome) -> list[Change]:
        """Return the changes that save events alone, the one that loses least for it first."""
        changes = [change for change in self.space.changes(base.setting) if self.fits(base, change)]
        found = self.measured([self.space.changed(base.setting, change) for change in changes], "each layer alone")
        costs = {change: price(base, outcome) for change, outcome in zip(changes, found, strict=True)}
        return sorted((change for change in changes if costs[change][0] < inf), key=costs.__getitem__)

    def fits(self, base: Outcome, change: Change) -> bool:
        """Tell whether an assignment with a change answers in time."""
        return self.space.fits(self.space.changed(base.setting, change), self.limit)
