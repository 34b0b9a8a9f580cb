"""Names and source lines: where a call of an exported program stands in the user's model."""

import re
from typing import Any

import torch
from torch import fx

from canonic.frontend.marks import PLACE
from canonic.network.graph import Origin

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in \S+\n\s*(?P<code>[^\n]*)')


def origin_of(node: fx.Node) -> Origin:
    """Return the operator, the module's path and the line of the user's code of a call."""
    stack = [str(path) for path, _ in node.meta.get("nn_module_stack", {}).values()]
    module = stack[-1] if stack and not stack[-1].startswith("_") else ""
    return Origin(operator=str(node.target), module=module, source=_source(node.meta.get("stack_trace") or ""))


def name_of(node: fx.Node, taken: set[str]) -> str:
    """Return a name for a call: the path of its module if that is a layer, else the path and the operator."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    marked = str(bind(node)["module"]) if str(node.target) == PLACE else ""
    path, module_type = (str(stack[-1][0]), str(stack[-1][1])) if stack else ("", "")
    operator = re.sub(r"(_\d+|_)$", "", re.sub(r"^_native_batch_norm_legit_no_training", "batch_norm", node.name))
    layer = module_type.startswith("torch.nn.modules.") and path and not path.startswith("_")
    base = (
        marked or path if marked or layer else ".".join(filter(None, ["" if path.startswith("_") else path, operator]))
    )
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    return name


def _source(trace: str) -> str:
    """Return "file:line: code" of the innermost frame outside torch."""
    package = str(torch.__file__).removesuffix("__init__.py")
    frames = [frame for frame in _FRAME.finditer(trace) if not frame["file"].startswith((package, "torch/", "<"))]
    return f"{frames[-1]['file']}:{frames[-1]['line']}: {frames[-1]['code'].strip()}" if frames else ""


def bind(node: fx.Node) -> dict[str, Any]:
    """Return all arguments of a call by the names of the operator's schema, defaults included."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    bound = {argument.name: argument.default_value for argument in schema}
    bound.update(zip((argument.name for argument in schema), node.args, strict=False))
    return {**bound, **node.kwargs}
