"""The operator table: each ATen operator has exactly one rule, and what has none is refused.

``python -m canonic.frontend.table`` prints it as docs/operators.md.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

import torch

from canonic.frontend import activations, arithmetic, assignment, functions, marks, structure, synapses
from canonic.frontend.call import Call, Refusal, Rule
from canonic.network.apply import operator_of
from canonic.network.graph import Node

KINDS: dict[str, dict[str, Rule]] = {
    "synapses": synapses.RULES,
    "arithmetic": arithmetic.RULES,
    "populations": activations.RULES | marks.RULES,
    "function units": functions.RULES,
    "structure": structure.RULES | assignment.RULES,
}
TABLE: dict[str, Rule] = {operator: rule for rules in KINDS.values() for operator, rule in rules.items()}


def convert_call(call: Call) -> Node | None:
    """Return the node for a call, or None where it passes its stream through.

    Raises:
        Refusal: if the operator has no rule, or its rule cannot take these arguments.
    """
    rule = TABLE.get(call.operator)
    if rule is None:
        name = call.operator.split(".")[1]
        raise Refusal(*functions.REFUSED.get(name, _unknown(call)))
    if call.whole and rule in synapses.RULES.values() and rule is not synapses.embedding:
        raise Refusal("its input holds whole numbers", "give the network floating point, or convert it, x.float()")
    return rule(call)


def describe() -> Iterator[str]:
    """Yield the lines of docs/operators.md."""
    yield "# Operators\n"
    yield "Made from the operator table by `python -m canonic.frontend.table > docs/operators.md`.\n"
    yield "Names are those of ATen, as `torch.export` gives them; what is in neither list is refused too.\n"
    yield "## Converted\n"
    yield "| operators | what they are |"
    yield "|---|---|"
    for rule, operators in groupby(sorted(TABLE, key=lambda name: TABLE[name].__name__), key=TABLE.__getitem__):
        yield f"| {_listed(operators)} | {(rule.__doc__ or '').splitlines()[0].replace('``', '`')} |"
    yield f"| {_listed(structure.SPLITS)} | Each part as a slice. |"
    yield "\n## Refused by name\n"
    yield "| operators | reason | what to do |"
    yield "|---|---|---|"
    for reason, refused in groupby(functions.REFUSED.items(), key=lambda item: item[1]):
        yield f"| {_listed(name for name, _ in refused)} | {reason[0]} | {reason[1]} |"


def _listed(operators: Iterable[str]) -> str:
    return ", ".join(f"`{name.removeprefix('aten.').removesuffix('.default')}`" for name in operators)


def _unknown(call: Call) -> tuple[str, str]:
    if torch.Tag.nondeterministic_seeded in getattr(operator_of(call.node("structure")), "tags", ()):
        return "it draws random numbers", "take it out of the model, or give it the numbers as an input"
    if not call.kind.is_floating_point:
        return f"it returns {call.kind}", "keep the data path in floating point"
    return "the operator is not in the table", "replace it by operators that are (docs/operators.md)"


if __name__ == "__main__":
    print("\n".join(describe()))
