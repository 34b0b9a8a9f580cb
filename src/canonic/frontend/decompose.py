"""Operators that the table does not know, in terms of those that it knows."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import HigherOrderOperator, OpOverload
from torch.export import ExportedProgram, default_decompositions

from canonic.errors import ConversionError, first_line
from canonic.frontend.assignment import REWRITTEN
from canonic.frontend.functions import REFUSED
from canonic.frontend.quiet import quiet
from canonic.frontend.structure import BOOKKEEPING, NUMBERS, SPLITS, living, sizes_only
from canonic.frontend.table import TABLE

Table = Mapping[OpOverload, Any]
"""How operators are decomposed."""

KNOWN = frozenset((*TABLE, *SPLITS, *BOOKKEEPING))
"""Operators that have a rule, or need none."""


def _distances(x: Tensor, y: Tensor, p: float = 2.0, *_: Any) -> Tensor:
    """``cdist``, as the differences between all pairs of rows."""
    difference = x.unsqueeze(-2) - y.unsqueeze(-3)
    if p == 2:
        return difference.square().sum(-1).sqrt()
    norm: Tensor = torch.linalg.vector_norm(difference, p, -1)
    return norm


def _variance_and_mean(x: Tensor, *given: Any, **named: Any) -> tuple[Tensor, Tensor]:
    dim, keeps = given[0] if given else named.get("dim"), named.get("keepdim", False)
    return x.var(*given, **named), x.mean(dim, keeps)


OWN: Table = {
    torch.ops.aten.cdist.default: _distances,
    torch.ops.aten.var_mean.correction: _variance_and_mean,
}
"""Decompositions beside those of torch."""


def decompose_unknown(program: ExportedProgram) -> ExportedProgram:
    """Return the program with unknown operators decomposed as torch does, where that leaves none that is unknown.

    No operator is left in place, and assignments are those of the table. All that is known stays whole: decomposing
    everything would turn a network into clutter. What is refused by name stays too, so that it is refused by its name.

    Raises:
        ConversionError: if torch cannot, as with a program that was decomposed before, or a buffer changed twice.
    """
    whole = program if is_plain(program) else decompose(program, REWRITTEN)
    found = unknown(whole)
    if not found:
        return whole
    together = _taken_apart(program, found, set())
    if together is None:  # each by itself: one that cannot be is no reason to refuse the others
        tables = [_taken_apart(program, {op}, found - {op}) or {} for op in found]
        together = {op: rule for table in tables for op, rule in table.items()}
    return decompose(program, {**REWRITTEN, **together}) if together else whole


def is_plain(program: ExportedProgram) -> bool:
    """Tell whether a program has nothing but operators that are known, none in place, no assignment, no other mode.

    Decomposing it by ``REWRITTEN`` would change nothing, and take as long as all else that is done to import it.
    """
    changes = {**program.graph_signature.buffers_to_mutate, **program.graph_signature.user_inputs_to_mutate}
    called = [node for node in program.graph.nodes if node.op == "call_function"]
    modes = any(isinstance(node.target, HigherOrderOperator) for node in called)
    operators = [node for node in called if isinstance(node.target, OpOverload)]
    alive = living(program.graph)
    rewritten = any(node.target in REWRITTEN or node.target._schema.is_mutable for node in operators)
    return not (changes or modes or rewritten) and all(str(n.target) in KNOWN for n in operators if n in alive)


def _taken_apart(program: ExportedProgram, found: set[OpOverload], rest: set[OpOverload]) -> Table | None:
    """Return decompositions after which an operator that is unknown is one of the rest; None if there are none."""
    known = {**default_decompositions(), **OWN}
    table: dict[OpOverload, Any] = {}
    while found:
        if not known.keys() >= found:
            return None
        table |= {op: known[op] for op in found}
        found = unknown(decompose(program, {**REWRITTEN, **table})) - rest - table.keys()
    return table


def decompose(program: ExportedProgram, table: Table) -> ExportedProgram:
    """Return a program with no operator in place and those of a table decomposed.

    Always from the program as it was exported: one that changes its input can be decomposed only once (torch 2.13).
    """
    try:
        with quiet():
            decomposed: ExportedProgram = program.run_decompositions(dict(table))
            return decomposed
    except (RuntimeError, AssertionError) as error:
        raise ConversionError(
            f"torch cannot decompose the exported program ({first_line(error)}): give it as "
            "torch.export.export made it, or the module itself"
        ) from error


def unknown(program: ExportedProgram) -> set[OpOverload]:
    """Return the operators on streams that have no rule and are not refused by name: constants may use any other."""
    called = {node.target for node in on_streams(program) if isinstance(node.target, OpOverload)}
    return {op for op in called if str(op) not in KNOWN and not _refused(op)}


def _refused(op: OpOverload) -> bool:
    return str(op).split(".")[1] in REFUSED or torch.Tag.nondeterministic_seeded in op.tags


def on_streams(program: ExportedProgram) -> Iterator[fx.Node]:
    """Yield the calls that depend on what an input of a program holds, not only on its size."""
    streams = {node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs}
    alive = living(program.graph)
    for node in program.graph.nodes:
        if (
            node in alive
            and not isinstance(node.meta.get("val"), NUMBERS)
            and not sizes_only(node)
            and not streams.isdisjoint(node.all_input_nodes)
        ):
            streams.add(node)
            yield node
