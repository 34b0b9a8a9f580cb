"""The operator table: each ATen operator has exactly one rule, and what has none is refused."""

from canonic.frontend import activations, structure, synapses
from canonic.frontend.call import Call, Refusal, Rule
from canonic.network.graph import Node

TABLE: dict[str, Rule] = {**synapses.RULES, **structure.RULES, **activations.RULES}


def convert_call(call: Call) -> Node | None:
    """Return the node for a call, or None where it passes its stream through.

    Raises:
        Refusal: if the operator has no rule, or its rule cannot take these arguments.
    """
    rule = TABLE.get(call.operator)
    if rule is None:
        name = call.operator.split(".")[1]
        raise Refusal(*activations.REFUSED.get(name, _unknown()))
    return rule(call)


def _unknown() -> tuple[str, str]:
    return "the operator is not in the table", "replace it by operators that are (docs/operators.md)"
