"""Operators that the table does not know, in terms of those that it knows."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import fx
from torch._ops import OpOverload
from torch.export import ExportedProgram, default_decompositions

from canonic.errors import ConversionError, first_line
from canonic.frontend.assignment import REWRITTEN
from canonic.frontend.functions import REFUSED
from canonic.frontend.quiet import quiet
from canonic.frontend.structure import BOOKKEEPING, NUMBERS, SPLITS, sizes_only
from canonic.frontend.table import TABLE


def decompose_unknown(program: ExportedProgram) -> ExportedProgram:
    """Return the program with unknown operators decomposed as torch does, where that leaves none that is unknown.

    No operator is left in place, and assignments are those of the table. All that is known stays whole: decomposing
    everything would turn a network into clutter. What is refused by name stays too, so that it is refused by its name.

    Raises:
        ConversionError: if torch cannot, as with a program that was decomposed before, or a buffer changed twice.
    """
    known = default_decompositions()
    whole = decomposed = decompose(program, REWRITTEN)
    wanted: dict[OpOverload, Any] = dict(REWRITTEN)
    while more := {op: known[op] for op in unknown(decomposed) if op in known and op not in wanted}:
        wanted |= more
        decomposed = decompose(program, wanted)
    return whole if unknown(decomposed) else decomposed


def decompose(program: ExportedProgram, table: Mapping[OpOverload, Any]) -> ExportedProgram:
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
    known = {*TABLE, *SPLITS, *BOOKKEEPING}
    called = {node.target for node in on_streams(program) if isinstance(node.target, OpOverload)}
    return {op for op in called if str(op) not in known and str(op).split(".")[1] not in REFUSED}


def on_streams(program: ExportedProgram) -> Iterator[fx.Node]:
    """Yield the calls that depend on what an input of a program holds, not only on its size."""
    streams = {node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs}
    for node in program.graph.nodes:
        if (
            not isinstance(node.meta.get("val"), NUMBERS)
            and not sizes_only(node)
            and not streams.isdisjoint(node.all_input_nodes)
        ):
            streams.add(node)
            yield node
