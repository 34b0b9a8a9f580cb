"""From an exported program to a graph, with a verdict on every call."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from canonic.errors import ConversionError
from canonic.frontend.batch import (
    batch_axes,
    batch_first,
    first_result,
    in_words,
    is_alone,
    result_of,
    shape_at,
    size_at,
    size_or_rows,
)
from canonic.frontend.call import Call, Consequence, Refusal, Rule
from canonic.frontend.constants import Constants
from canonic.frontend.origin import bind, name_of, origin_of
from canonic.frontend.returned import form_of, outputs_of
from canonic.frontend.structure import (
    BOOKKEEPING,
    NUMBERS,
    READS,
    SIZED,
    SPLITS,
    living,
    part_of,
    reshaped,
    sizes_only,
    unbound,
    whole_numbers,
)
from canonic.frontend.table import convert_call
from canonic.frontend.verdict import Verdict
from canonic.network.graph import Graph, Node, Origin, Slot
from canonic.network.inputs import as_weights


def import_program(program: ExportedProgram) -> tuple[Graph, tuple[Verdict, ...]]:
    """Return the graph of a program and the verdict on each of its calls.

    Where a verdict is "refused" the graph has a gap in that place and must not be run.
    """
    importing, alive = _Import(program), living(program.graph)
    with torch.no_grad():
        for node in program.graph.nodes:
            if node in alive:
                importing.visit(node)
    return importing.graph(), tuple(importing.verdicts)


@dataclass
class _Import:
    program: ExportedProgram
    nodes: list[Node] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    streams: dict[fx.Node, Node] = field(default_factory=dict)
    constants: Constants = field(default_factory=Constants)
    outputs: tuple[str, ...] = ()
    refused: set[str] = field(default_factory=set)

    def graph(self) -> Graph:
        inputs = tuple(node.name for node in self.nodes if node.kind == "input")
        return Graph(tuple(self.nodes), inputs, self.outputs, form_of(self.program))

    @property
    def taken(self) -> set[str]:
        return {node.name for node in self.nodes} | {verdict.name for verdict in self.verdicts}

    def visit(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self.visit_placeholder(node)
        elif node.op == "output":
            self.outputs = tuple(self.output(value, name) for name, value in outputs_of(self.program).items())
        elif node.op == "get_attr":
            self.constants.for_one[node] = operator.attrgetter(str(node.target))(self.program.graph_module)
        elif str(node.target) in READS and node.all_input_nodes[0] in self.streams:
            self.refuse(node, Refusal("it reads a number from the input", "keep it a tensor: no item(), no float(x)"))
            self.constants.for_one[node] = 1  # any: the graph has a gap here
            del self.streams[node]
        elif isinstance(node.meta.get("val"), NUMBERS) or str(node.target) in BOOKKEEPING:
            return
        elif not any(source in self.streams for source in node.all_input_nodes) or sizes_only(node):
            self.visit_constant(node)
        elif node.target is operator.getitem:
            self.visit_part(node)
        elif str(node.target) in SPLITS:
            self.streams[node] = self.streams[node.all_input_nodes[0]]  # its parts are visited one by one
        else:
            self.judge(node, convert_call, node.all_input_nodes)

    def visit_placeholder(self, node: fx.Node) -> None:
        spec = next(s for s in self.program.graph_signature.input_specs if getattr(s.arg, "name", None) == node.name)
        if spec.kind == InputKind.USER_INPUT:
            value = node.meta.get("val")
            if not isinstance(value, Tensor):
                raise ConversionError(
                    f"input {node.name} of the model is {value!r}, not a tensor: bind it first, for example with a "
                    "small module that calls the model"
                )
            kind = {} if value.is_floating_point() else {"dtype": value.dtype}
            stream = Node(node.name, "input", "", (), shape_at(value, 1)[1:], kind, origin=Origin("input"))
            self.nodes.append(stream)
            self.streams[node] = stream
        elif spec.kind == InputKind.PARAMETER or spec.kind == InputKind.BUFFER:
            name = str(spec.target)
            state = self.program.state_dict
            self.constants.for_one[node] = (state[name] if name in state else self.program.constants[name]).detach()
        else:
            self.constants.for_one[node] = self.program.constants[str(spec.target)]

    def visit_constant(self, node: fx.Node) -> None:
        try:
            self.constants.compute(node)
        except Refusal as refusal:
            self.refuse(node, refusal)

    def visit_part(self, node: fx.Node) -> None:
        """Take one of several results of a call: a part of a split, or the first of a pair such as (maximum, index)."""
        source, index = cast(tuple[fx.Node, int], node.args)  # getitem(call, index), as export writes it
        if str(source.target) in SPLITS:
            parts, whole = source.meta["val"], source.all_input_nodes[0].meta["val"]
            axis = int(bind(source).get("dim", 0)) % whole.dim()
            part = unbound(index, axis) if "unbind" in str(source.target) else part_of(parts, index, axis)
            self.judge(node, part, source.all_input_nodes)
        elif index == 0:
            self.streams[node] = self.streams[source]
        else:
            self.refuse(node, Consequence(f"it uses result {index} of {source.target}", "use only its first result"))

    def judge(self, node: fx.Node, rule: Rule, sources: Sequence[fx.Node]) -> None:
        """Convert a call by its rule, and record the verdict."""
        streams = [source for source in sources if source in self.streams]
        try:
            value = result_of(node)
            alone = is_alone(node, value, streams)
            nodes = tuple(self.alone(source) if alone else self.streams[source] for source in streams)
            call = Call(
                name=name_of(node, self.taken),
                operator=str(node.target),
                arguments=self.arguments(node, streams, alone=alone) if node.target is not operator.getitem else {},
                streams=nodes,
                shape=shape_at(value, 1)[0 if alone else 1 :],
                origin=origin_of(node),
                kind=value.dtype,
                alone=alone,
                batch=frozenset(batch_axes(first_result(streams[0]))),
                whole=not all(first_result(source).is_floating_point() for source in streams),
            )
            counted = not any(first_result(source).is_floating_point() for source in streams)
            made = whole_numbers(call) if counted and not value.is_floating_point() else rule(call)
        except Refusal as refusal:
            self.refuse(node, refusal)
            return
        kind = "structure" if made is None else made.kind
        remark = "passes its stream through" if made is None else ""
        self.verdicts.append(Verdict(call.name, kind, shape_at(value, 1)[0 if alone else 1 :], call.origin, remark))
        if made is None:
            self.streams[node] = self.streams[streams[0]]
        else:
            self.append(node, made, value)

    def alone(self, source: fx.Node) -> Node:
        """Return the stream of a call in the shape of a batch of one."""
        stream = self.streams[source]
        if not batch_first(first_result(source)):
            return stream
        name = f"{stream.name}.one"
        known = next((node for node in self.nodes if node.name == name), None)
        if known is None:
            known = reshaped(stream, name, "aten.unsqueeze.default", (1, *stream.shape))
            self.nodes.append(known)
        return known

    def append(self, node: fx.Node, made: Node, value: Tensor) -> None:
        own = {name: as_weights(t.detach(), value) for name, t in made.tensors.items()}
        self.nodes.append(replace(made, tensors=own))
        if made.alone and batch_first(value):
            made = reshaped(made, f"{made.name}.each", "aten.squeeze.dim", made.shape[1:])
            self.nodes.append(made)
        self.streams[node] = self.nodes[-1]

    def refuse(self, node: fx.Node, refusal: Refusal) -> None:
        """Record a refusal, and go on as if the call had worked, so that all problems are found at once."""
        value = node.meta.get("val")
        first = value[0] if isinstance(value, tuple | list) and value else value
        shape = shape_at(first, 1)[batch_first(first) :] if isinstance(first, Tensor) else ()
        origin, name = origin_of(node), name_of(node, self.taken)
        before = {self.streams[source].name for source in node.all_input_nodes if source in self.streams}
        if not (isinstance(refusal, Consequence) and before & self.refused):
            self.verdicts.append(Verdict(name, "refused", shape, origin, refusal.reason, refusal.remedy))
        self.refused.add(name)
        inputs = tuple(self.streams[source].name for source in node.all_input_nodes if source in self.streams)
        self.streams[node] = Node(name, "structure", origin.operator, inputs, shape, origin=origin)
        self.nodes.append(self.streams[node])

    def arguments(self, node: fx.Node, streams: list[fx.Node], *, alone: bool) -> dict[str, Any]:
        """Return the arguments of a call by name, with Slot, Rows and tensors in place of exported nodes."""
        sized = str(node.target).split(".")[1] in SIZED

        def value_of(source: fx.Node) -> Any:
            if source in self.streams:
                return Slot(streams.index(source))
            if source not in self.constants:
                size = source.meta["val"]
                return size_at(size, 1) if alone and sized else size_or_rows(size)
            return self.constants.of(source, by_sample="index" in str(node.target))

        bound: dict[str, Any] = fx.map_arg(bind(node), value_of)
        return {name: list(value) if isinstance(value, tuple | list) else value for name, value in bound.items()}

    def output(self, result: object, name: str) -> str:
        if not isinstance(result, fx.Node) or result not in self.streams:
            raise ConversionError(
                f"the output {name} of the model does not depend on its input: return only what it computes"
            )
        value, stream = result.meta["val"], self.streams[result]
        if stream.name not in self.refused and not batch_first(value):
            reason = f"output {name!r} {in_words(value)} does not have one row for each sample"
            remedy = "return [batch, *shape]: transpose or reshape it"
            self.verdicts.append(Verdict(stream.name, "refused", stream.shape, stream.origin, reason, remedy))
        return stream.name
