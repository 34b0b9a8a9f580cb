"""Operators that the table does not know, in terms of those that it knows."""

from torch._ops import OpOverload
from torch.export import ExportedProgram, default_decompositions

from canonic.frontend.capture import quiet
from canonic.frontend.functions import REFUSED
from canonic.frontend.structure import BOOKKEEPING, SPLITS
from canonic.frontend.table import TABLE

ROUNDS = 3
"""How often what came of a decomposition is decomposed again."""


def decompose_unknown(program: ExportedProgram) -> ExportedProgram:
    """Return the program with unknown operators decomposed as torch does, where that leaves none that is unknown.

    All that is known stays whole: decomposing everything would turn a network into clutter. What is refused by name
    stays too, so that it is refused by its name.
    """
    decomposed = program
    known = default_decompositions()
    for _ in range(ROUNDS):
        wanted = {operator: known[operator] for operator in unknown(decomposed) if operator in known}
        if not wanted:
            break
        with quiet():
            decomposed = decomposed.run_decompositions(wanted)
    return program if unknown(decomposed) else decomposed


def unknown(program: ExportedProgram) -> set[OpOverload]:
    """Return the operators of a program that have no rule and are not refused by name."""
    called = {node.target for node in program.graph.nodes if isinstance(node.target, OpOverload)}
    known = {*TABLE, *SPLITS, *BOOKKEEPING}
    return {op for op in called if str(op) not in known and str(op).split(".")[1] not in REFUSED}
