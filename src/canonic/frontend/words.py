"""The words of a saved program, each of which must name something: torch makes Python code of some, and evaluates it.

Names of values become names in code, sizes are evaluated as expressions, operators are looked up by their path, forms
import what they name, and guards are executed. What is not known to be harmless is refused.
"""

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

from canonic.network.named import operator_named, require_plain

_NAME = re.compile(r"[A-Za-z_]\w*|", re.ASCII)
_PATH = re.compile(r"[\w.+:/<> -]*", re.ASCII)
_FUNCTION = re.compile(
    r"torch\.ops\.higher_order\.(wrap_with_\w+|cond|while_loop|scan|map_impl|associative_scan|invoke_subgraph)"
    r"|torch\.sym_\w+|math\.\w+"
    r"|_operator\.(eq|ne|lt|le|gt|ge|neg|pos|add|sub|mul|truediv|floordiv|mod|pow|and_|or_|not_|lshift|rshift|getitem)",
    re.ASCII,
)
_SYMBOL = re.compile(r"[A-Za-z]+\d*", re.ASCII)
_CALLS = re.findall(
    r"\w+",
    """
    Symbol Integer Float Rational Add Mul Pow Mod Max Min Abs Eq Equality Ne Unequality Lt StrictLessThan Le LessThan Gt
    StrictGreaterThan Ge GreaterThan And Or Not Piecewise floor ceiling true false oo int_oo FloorDiv ModularIndexing
    Where PythonMod CleanDiv CeilToInt FloorToInt CeilDiv LShift RShift PowByNatural FloatPow FloatTrueDiv IntTrueDiv
    IsNonOverlappingAndDenseIndicator TruncToFloat TruncToInt RoundToInt RoundDecimal ToFloat Identity
    """,
)
"""What sympy calls may stand in a size."""

_PARTS = (
    *(ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.keyword),
    *(ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop),
)

_KEPT = ("stack_trace", "nn_module_stack")
"""What a call says of where it stands in the user's code; free text, which nothing evaluates."""


def harmless(program: Any) -> Any:
    """Return a saved program in JSON without what canonic does not need: guards, and most notes on its calls.

    Raises:
        ValueError: if a word of it could be run; the message shows it.
    """
    module = {**_without_notes(program["graph_module"]), "metadata": {}}
    kept = {**program, "graph_module": module, "guards_code": []}
    for place, word in _words(kept, "", ""):
        _CHECKS.get(place, _path)(place, word)
    return kept


def _without_notes(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_notes(item) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {key: _without_notes(item) for key, item in value.items()}
    if "target" in value and "metadata" in value:  # a call; a value too may be called metadata
        rest["metadata"] = {key: text for key, text in value["metadata"].items() if key in _KEPT}
    return rest


def _words(value: Any, key: str, above: str) -> Iterator[tuple[str, str]]:
    """Yield each text, with the key that it stands under; each key, with that of its dict."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for item in value:
            yield from _words(item, key, above)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield (f"{key} keys", name)
            yield from _words(item, name, key)


def _name(place: str, word: str) -> None:
    if not _NAME.fullmatch(word):
        raise ValueError(f"the {place} {word[:80]!r} is no name")


def _path(place: str, word: str) -> None:
    if not _PATH.fullmatch(word):
        raise ValueError(f"the {place} {word[:80]!r} is more than a name")


def _operator(_: str, word: str) -> None:
    if not _FUNCTION.fullmatch(word):
        operator_named(word.removeprefix("torch.ops."))


def _size(_: str, word: str) -> None:
    """Refuse an expression of more than known functions, symbols and numbers."""
    for part in ast.walk(ast.parse(word, mode="eval")):
        known = isinstance(part, _PARTS)
        if isinstance(part, ast.Call):
            known = isinstance(part.func, ast.Name)
        elif isinstance(part, ast.Name):
            known = part.id in _CALLS or bool(re.fullmatch(r"[a-z]+\d+", part.id, re.ASCII))
        elif isinstance(part, ast.Constant):
            known = isinstance(part.value, int | float) or bool(_SYMBOL.fullmatch(str(part.value)))
        if not known or not word.isascii():
            raise ValueError(f"the size {word[:80]!r} is more than an expression")


def _form(_: str, word: str) -> None:
    require_plain(word)


def _anything(_: str, word: str) -> None:
    """Let pass what is only ever a value."""


def _nothing(place: str, word: str) -> None:
    raise ValueError(f"the {place} {word[:80]!r} needs a class of its own")


_CHECKS: dict[str, Callable[[str, str], None]] = {
    **dict.fromkeys(("name", "as_name", "tensor_values keys", "sym_int_values keys", "sym_bool_values keys"), _name),
    **dict.fromkeys(("sym_float_values keys", "range_constraints keys", "as_string_to_argument keys"), _name),
    **dict.fromkeys(("forward_arg_names", "field_names"), _name),
    **dict.fromkeys(("as_string", "as_strings", *_KEPT), _anything),
    **dict.fromkeys(("in_spec", "out_spec"), _form),
    **dict.fromkeys(("class_fqn", "as_operator", "custom_obj_values keys"), _nothing),
    "target": _operator,
    "expr_str": _size,
}
"""How the words under each key are checked; under any other they must be names, or paths of names."""
