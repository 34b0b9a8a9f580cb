"""A sweep: calibrate once, then convert and measure in every setting.

Several processes share both: each converts a setting of its own, and then all measure them one after the other, each
on its share of the data. So they finish together however long a setting takes, and only the first writes files.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from canonic.cluster import Workers, workers
from canonic.codes import CSS
from canonic.conversion.calibrate import Calibration, calibrate
from canonic.conversion.convert import examine, spiking
from canonic.conversion.populations import set_codes
from canonic.conversion.settings import resolve
from canonic.errors import ClusterError, ConversionError, DataError
from canonic.frontend import Model
from canonic.measure import Evaluation, evaluate
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
        group: the processes that share the work; those of torch.distributed if None.
        progress: show progress bars, on a terminal.

    Raises:
        ConversionError: if the model cannot be converted. A single setting that cannot be had is recorded as refused.
        DataError: if the data cannot be used.
        StorageError: if the folder cannot be used, or holds results of another model, other data, another version.
        ClusterError: if another process was lost.
        KeyboardInterrupt: after Ctrl-C; it says how many settings are done.
    """
    group = group or workers()
    examined = examine(model, calibration, "direct", CSS())
    seen = calibrate(examined.graph, examined.data, first=examined.first, group=group, progress=progress)
    place = Folder(Path(folder), _common(group.together(partial(identity_of, examined.graph, seen, data, output))))
    done = group.together(lambda: _finished(place, settings) if group.first else {})[0]
    bench = Bench(examined.graph, seen, data, output, examined.notes, place, group)
    try:
        for part in track(_rounds(settings, done, group.world), "sweep", shown=progress and group.first):
            done |= {outcome.setting: outcome for outcome in bench.outcomes(part)}
    except ClusterError as error:
        raise ClusterError(f"{error}; {_kept(place, settings)}" if group.first else str(error)) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted: {_kept(place, settings)}") from None
    return Sweep(tuple(done[setting] for setting in settings))


@dataclass(frozen=True)
class Bench:
    """What every setting is tried on."""

    graph: Graph
    seen: Calibration
    data: Iterable[Any]
    output: Output | None
    notes: Sequence[str]
    folder: Folder
    group: Workers

    def outcomes(self, settings: Sequence[Setting]) -> Iterator[Outcome]:
        """Try at most as many settings as there are processes; yield what came of each, once it is written."""
        mine: list[SpikingNetwork] = []
        told = self.group.together(lambda: self.attempt(settings[self.group.rank : self.group.rank + 1], mine))
        for rank, setting in enumerate(settings):
            refused, seconds = told[rank]
            outcome = Outcome(setting, None, refused, {"convert": seconds})
            if not refused:
                outcome = self.measured(outcome, self.group.sent(mine[0] if mine else None, rank))
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

    def measured(self, outcome: Outcome, snn: SpikingNetwork) -> Outcome:
        """Return an outcome with the measures of its network."""
        start = time.perf_counter()
        found = _whole(evaluate(snn, self.data, output=self.output, group=self.group, progress=False))
        return replace(outcome, evaluation=found, seconds={**outcome.seconds, "evaluate": time.perf_counter() - start})

    def converted(self, setting: Setting) -> SpikingNetwork:
        """Return the spiking network."""
        rules = resolve(setting.settings, [node.name for node in self.graph.populations])
        graph = set_codes(self.graph, setting.sent, rules)
        snn = spiking(graph, self.seen, setting.sent, setting.settings, notes=self.notes)
        return snn.to_precision(setting.precision)


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


def _kept(folder: Folder, settings: Sequence[Setting]) -> str:
    count = sum(folder.file(setting).exists() for setting in settings)
    share = f"{count} of {counted(len(settings), 'setting')}"
    return f"{share} done and kept in {folder.path}; the same command goes on from there"
