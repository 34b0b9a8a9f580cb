"""The front door: a trained network becomes a spiking one in a code that is given, or in one that meets a goal."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from canonic.cluster import Workers, workers
from canonic.codes import CSS, Weighted
from canonic.conversion import convert as convert_in
from canonic.conversion.calibrate import calibrate
from canonic.conversion.convert import Examined, examine, recorded, signed_off, told
from canonic.conversion.settings import Settings, require_kinds
from canonic.errors import ConversionError
from canonic.frontend import Model
from canonic.goals.demanded import demanded, most_held, remarks
from canonic.goals.finalists import Setup, answers
from canonic.goals.front import told_of, unreached, why
from canonic.goals.goal import Goal
from canonic.goals.heldout import Halved
from canonic.goals.search import search
from canonic.goals.written import goal_of
from canonic.network import SpikingNetwork
from canonic.network.classes import require_names
from canonic.progress import waiting


def convert(
    model: Model,
    calibration: Iterable[Any],
    *,
    code: Weighted | str | None = None,
    goal: Goal | str | None = None,
    settings: Settings | None = None,
    classes: Sequence[str] = (),
    group: Workers | None = None,
    progress: bool = True,
) -> SpikingNetwork:
    """Turn a trained network into a spiking one, without training.

    Under ``torchrun`` each process calibrates with a share of the batches, and all return the same network.

    Args:
        model: a module, which is left as it is and converted in evaluation mode, or an ``ExportedProgram`` with a
            free batch axis.
        calibration: batches of typical inputs, at least one: tensors ``[batch, *shape]``; tuples that begin with the
            inputs, such as those of a DataLoader of (x, y); or dicts that hold them under the names of the model's
            forward, which are then passed by name. A hundred samples or more; labels are used by a goal alone.
        code: of all populations, or its name with its parameters, such as "rate:32"; ``CSS(steps=8, silent=1)`` if
            there are settings alone.
        goal: what must hold on every other sample, which nothing is fitted to, and what shall be small; or its text,
            such as "agreement=0.99, minimise=events". The member of the family of CSS is then chosen. Without code,
            goal and settings it is ``Goal()``: the fewest steps that keep 99 % of the answers, or 30 dB.
        settings: ``Settings()`` if None.
        classes: names of the outputs in their order, which are kept in the record; none if they are not known.
        group: the processes that share the calibration; those of torch.distributed if None.
        progress: show a progress bar, on a terminal.

    Raises:
        ConversionError: if the model or a setting cannot be used, which names every refused operator, or a goal cannot
            be reached.
        DataError: if the calibration data cannot be used, there is not one class for each output, or samples or labels
            are too few for a goal.
        ClusterError: if one of several processes that share the calibration was lost.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> snn = convert(model, [torch.rand(64, 4)], code=CSS(steps=8, silent=1))
    >>> snn(torch.rand(5, 4)).shape, snn.total_steps
    (torch.Size([5, 2]), 9)
    >>> convert(model, [torch.rand(64, 4)], goal=Goal(snr=20.0)).record["goal"]["held_out"]
    32
    """
    group = group or workers()
    if goal is None and not (code is None and settings is None):
        code = CSS(steps=8, silent=1) if code is None else code
        return convert_in(
            model, calibration, code=code, settings=settings, classes=classes, group=group, progress=progress
        )
    settings, goal = Settings() if settings is None else settings, Goal() if goal is None else goal_of(goal)
    _require_open(code, settings)
    examined = examine(model, calibration, settings.input, CSS())
    require_names(examined.graph, classes)
    return signed_off(_meeting(examined, goal, settings, group, progress=progress), model, classes)


def _meeting(examined: Examined, goal: Goal, settings: Settings, group: Workers, *, progress: bool) -> SpikingNetwork:
    """Return the network that meets a goal."""
    halved = Halved(examined.data, examined.graph, most_held(goal), labels=goal.labels)
    seen = calibrate(examined.graph, halved, first=examined.first, group=group, progress=progress)
    seen = replace(seen, digest=seen.digest + halved.digest)  # known to the network, too
    with waiting("search the smallest network that meets the goal", shown=progress and group.first):
        held = halved.held() if goal.accuracy is None else halved.held().labelled
        demands, note = demanded(goal, examined.graph, held)
        setup = Setup(examined.graph, seen, settings, goal, held, demands)
        found = search(setup)
        best = found.best
        if not best.reached and goal.demands:
            raise unreached(setup, found)
        said = remarks(demands, examined.graph, held, partial(answers, found.fitted.plan, held))
        missed = [] if best.reached else [str(unreached(setup, found))]
        notes = [*examined.notes, *filter(None, [note]), *said, *missed]
        snn = recorded(found.fitted, seen, best.settings, notes=notes)
        snn = told(snn, seen, aloud=group.first, judged=True)
        chosen = {**told_of(setup, found, setup.costs(found.fitted.plan)), "why": why(setup, found)}
    return replace(snn, record={**snn.record, "goal": chosen})


def _require_open(code: object, settings: Settings) -> None:
    """Raise unless all that a goal chooses is left to it."""
    require_kinds(CSS(), settings)
    if code is not None:
        raise ConversionError(
            f"code={code!r} and a goal are both given: a goal chooses among all members of the family of CSS itself; "
            "give one of them"
        )
    if settings.input not in ("direct", "css"):
        raise ConversionError(
            f"input={settings.input!r} is a code of its own, and a goal chooses one for all: give input='direct', or "
            "input='css' for that of the others"
        )
    for where, given in [("settings", settings), *settings.overrides.items()]:
        named = [name for name in CHOSEN if getattr(given, name, None) is not None]
        if named:
            raise ConversionError(
                f"{named[0]} of {where} is what a goal chooses: leave it out, or give code= in place of it"
            )


CHOSEN = ("silent", "levels", "phi", "code")
"""Settings that a goal chooses."""
