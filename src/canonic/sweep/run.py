"""A sweep: calibrate once, then convert and measure in every setting.

Several processes share both: each converts a setting of its own, and then all measure them one after the other, each
on its share of the data. So they finish together however long a setting takes, and only the first writes files.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from canonic.cluster import Workers, workers
from canonic.codes import CSS
from canonic.conversion.calibrate import Calibration, calibrate
from canonic.conversion.convert import Examined, examine, spiking
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import resolve
from canonic.errors import ClusterError, ConversionError, DataError
from canonic.frontend import Model
from canonic.measure import Evaluation, evaluate
from canonic.measure.energy import Model as EnergyModel
from canonic.measure.energy import require_models
from canonic.network import SpikingNetwork
from canonic.network.graph import Graph
from canonic.network.outputs import Output
from canonic.progress import track
from canonic.sweep.folder import Folder, identity_of, open_folder
from canonic.sweep.grid import Setting
from canonic.sweep.result import Outcome, Sweep
from canonic.words import counted


def sweep(
    model: Model,
    calibration: Iterable[Any],
    data: Iterable[Any],
    settings: Sequence[Setting],
    folder: str | Path,
    *,
    output: Output | None = None,
    energy: EnergyModel = "horowitz45",
    group: Workers | None = None,
    progress: bool = True,
) -> Sweep:
    """Convert and measure a network in every setting; what a killed sweep has finished is not done again.

    Args:
        model: as for ``convert``.
        calibration: as for ``convert``; used for all settings.
        data: as for ``evaluate``, to be read once for every setting. Without classes as labels settings are compared
            by how near the output is to that of the source.
        settings: such as ``grid(steps=(4, 6, 8), silent=(0, 1, "auto"))``.
        folder: for the results, written by the first process; it may hold some of the same model and data, which are
            then taken as they are.
        output: as for ``evaluate``.
        energy: the model of the energy that settings are compared by; all are in the folder.
        group: the processes that share the work; those of torch.distributed if None.
        progress: show progress bars, on a terminal.

    Raises:
        ConversionError: if the model cannot be converted. A single setting that cannot be had is recorded as refused.
        DataError: if the data cannot be used.
        StorageError: if the folder cannot be used, or holds results of another model, other data, another version.
        ClusterError: if another process was lost.
        KeyboardInterrupt: after Ctrl-C; it says how many settings are done.
    """
    (by,) = require_models([energy])
    bench = bench_of(model, calibration, data, folder, output=output, group=group or workers(), progress=progress)
    with bench.kept(lambda: f"{bench.folder.count(settings)} of {counted(len(settings), 'setting')}"):
        return Sweep(bench.measured(settings, "sweep"), by)


def bench_of(
    model: Model,
    calibration: Iterable[Any],
    data: Iterable[Any],
    folder: str | Path,
    *,
    output: Output | None,
    group: Workers,
    progress: bool,
) -> "Bench":
    """Return what settings of a network are tried on: arguments, and errors, as those of ``sweep``."""
    examined = examine(model, calibration, "direct", CSS())
    seen = calibrate(examined.graph, examined.data, first=examined.first, group=group, progress=progress)
    place = Folder(Path(folder), _common(group.together(partial(identity_of, examined.graph, seen, data, output))))
    return Bench(examined, seen, data, output, place, group, progress)


@dataclass(frozen=True)
class Bench:
    """What every setting is tried on."""

    examined: Examined
    seen: Calibration
    data: Iterable[Any]
    output: Output | None
    folder: Folder
    group: Workers
    progress: bool

    def measured(self, settings: Sequence[Setting], label: str = "") -> tuple[Outcome, ...]:
        """Return what came of settings: those that were tried before are read; there is a bar if it has a label."""
        done = self.group.together(lambda: _finished(self.folder, settings) if self.group.first else {})[0]
        shown = bool(label) and self.progress and self.group.first
        for part in track(_rounds(settings, done, self.group.world), label, shown=shown):
            done |= {outcome.setting: outcome for outcome in self.outcomes(part)}
        return tuple(done[setting] for setting in settings)

    @contextmanager
    def kept(self, told: Callable[[], str]) -> Iterator[None]:
        """Say how much is done, where the work is cut off."""
        rest = f"done and kept in {self.folder.path}; the same command goes on from there"
        try:
            yield
        except ClusterError as error:
            raise ClusterError(f"{error}; {told()} {rest}" if self.group.first else str(error)) from error
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted: {told()} {rest}") from None

    def outcomes(self, settings: Sequence[Setting]) -> Iterator[Outcome]:
        """Try at most as many settings as there are processes; yield what came of each, once it is written."""
        mine: list[SpikingNetwork] = []
        told = self.group.together(lambda: self.attempt(settings[self.group.rank : self.group.rank + 1], mine))
        for rank, setting in enumerate(settings):
            refused, seconds = told[rank]
            outcome = Outcome(setting, None, refused, {"convert": seconds})
            if not refused:
                outcome = self.evaluated(outcome, self.group.sent(mine[0] if mine else None, rank))
            if self.group.first:
                self.folder.write(outcome)
            yield outcome

    def attempt(self, setting: Sequence[Setting], made: list[SpikingNetwork]) -> tuple[str, float]:
        """Convert in one setting, or none; return why it cannot be, "" if it can, and the seconds that it took."""
        start = time.perf_counter()
        try:
            made.extend(map(self.converted, setting))
        except ConversionError as error:
            return str(error), time.perf_counter() - start
        return "", time.perf_counter() - start

    def evaluated(self, outcome: Outcome, snn: SpikingNetwork) -> Outcome:
        """Return an outcome with the measures of its network."""
        start = time.perf_counter()
        found = _whole(evaluate(snn, self.data, output=self.output, group=self.group, progress=False))
        return replace(outcome, evaluation=found, seconds={**outcome.seconds, "evaluate": time.perf_counter() - start})

    def converted(self, setting: Setting) -> SpikingNetwork:
        """Return the spiking network."""
        graph = coded(self.examined.graph, setting)
        seen, notes = self.seen_of(graph), self.examined.notes
        return spiking(graph, seen, setting.sent, setting.settings, notes=notes).to_precision(setting.precision)

    def seen_of(self, graph: Graph) -> Calibration:
        """Return what calibration sees of a network in its codes: populations between unlike ones are seen too.

        Raises:
            DataError: if the calibration data could be read only once, and there are some.
        """
        if len(graph.populations) == len(self.seen.histograms):
            return self.seen
        if iter(self.examined.data) is self.examined.data:
            raise DataError(
                "where unlike codes meet the calibration data is read once more: pass a DataLoader or a list, no "
                "generator"
            )
        return calibrate(graph, self.examined.data, first=self.examined.first)


def coded(graph: Graph, setting: Setting) -> Graph:
    """Return the graph of a source network with the codes of a setting.

    Raises:
        ConversionError: if they cannot be had.
    """
    return set_codes(graph, setting.sent, resolve(setting.settings, [node.name for node in graph.populations]))


def _whole(evaluation: Evaluation) -> dict[str, Any]:
    """Return the measures of all the data; a sweep compares no parts."""
    if "interrupted" in evaluation.gap:
        raise KeyboardInterrupt
    if evaluation.gap:
        raise DataError(f"{evaluation.gap}: its __len__ is wrong, or it can be read only once")
    return dict(json.loads(json.dumps(evaluation.to_json())))  # as a file gives it back


def _common(identities: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Return what all processes sweep.

    Raises:
        ClusterError: if it is not the same.
    """
    first = identities[0]
    others = sorted({name for identity in identities for name in first if identity[name] != first[name]})
    if others:
        raise ClusterError(
            f"the processes differ in the {' and the '.join(others).replace('_', ' ')}: give all of them the same"
        )
    return first


def _finished(folder: Folder, settings: Sequence[Setting]) -> dict[Setting, Outcome]:
    """Return what came of the settings that were tried before."""
    open_folder(folder.path, folder.identity)
    found = ((setting, folder.read(setting)) for setting in settings)
    return {setting: outcome for setting, outcome in found if outcome is not None}


def _rounds(settings: Sequence[Setting], done: Mapping[Setting, Outcome], world: int) -> list[Sequence[Setting]]:
    """Return what is still to be done, one setting for each process at a time; those that convert slowly together."""
    missing = [setting for setting in settings if setting not in done]
    missing.sort(key=lambda setting: (str(setting.silent), setting.steps), reverse=True)
    return [missing[start : start + world] for start in range(0, len(missing), world)]
