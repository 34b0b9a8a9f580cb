"""From an exported program to a graph, with a verdict on every call."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

from canonic.errors import ConversionError
from canonic.frontend.call import Call, Displaced, Refusal, Rule
from canonic.frontend.origin import name_of, origin_of
from canonic.frontend.structure import SPLITS, part_of
from canonic.frontend.table import convert_call
from canonic.network.graph import Graph, Kind, Node, Origin, Rows, Slot

_BOOKKEEPING = ("aten.sym_size.int", "aten._assert_tensor_metadata.default", "aten._assert_scalar.default")


@dataclass(frozen=True)
class Verdict:
    """What becomes of one call: its kind, or "refused" with the reason and what to do."""

    name: str
    kind: Kind | Literal["refused"]
    shape: tuple[int, ...]
    origin: Origin
    reason: str = ""
    remedy: str = ""

    @property
    def remark(self) -> str:
        """The reason and what to do; the operator where there is nothing to say."""
        said = f"{self.reason}: {self.remedy}" if self.remedy else self.reason
        return said or self.origin.operator


def import_program(program: ExportedProgram) -> tuple[Graph, tuple[Verdict, ...]]:
    """Return the graph of a program and the verdict on each of its calls.

    Where a verdict is "refused" the graph has a gap in that place and must not be run.
    """
    importing = _Import(program)
    with torch.no_grad():
        for node in program.graph.nodes:
            importing.visit(node)
    return importing.graph(), tuple(importing.verdicts)


@dataclass
class _Import:
    program: ExportedProgram
    nodes: list[Node] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    streams: dict[fx.Node, Node] = field(default_factory=dict)
    constants: dict[fx.Node, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    refused: set[str] = field(default_factory=set)

    def graph(self) -> Graph:
        inputs = tuple(node.name for node in self.nodes if node.kind == "input")
        try:
            form = pytree.treespec_dumps(self.program.call_spec.out_spec)
        except NotImplementedError as error:
            raise ConversionError(
                f"the form of the model's output cannot be kept ({error}): return a tuple or dict"
            ) from None
        return Graph(tuple(self.nodes), inputs, self.outputs, form)

    @property
    def taken(self) -> set[str]:
        return {node.name for node in self.nodes} | {verdict.name for verdict in self.verdicts}

    def visit(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self.visit_placeholder(node)
        elif node.op == "output":
            self.visit_output(node)
        elif node.op == "get_attr":
            self.constants[node] = operator.attrgetter(str(node.target))(self.program.graph_module)
        elif isinstance(node.meta.get("val"), int | float | bool | torch.SymInt) or str(node.target) in _BOOKKEEPING:
            return
        elif not any(source in self.streams for source in node.all_input_nodes):
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
            stream = Node(node.name, "input", "", (), tuple(value.shape[1:]), origin=Origin("input"))
            self.nodes.append(stream)
            self.streams[node] = stream
        elif spec.kind == InputKind.PARAMETER or spec.kind == InputKind.BUFFER:
            name = str(spec.target)
            state = self.program.state_dict
            self.constants[node] = (state[name] if name in state else self.program.constants[name]).detach()
        else:
            self.constants[node] = self.program.constants[str(spec.target)]

    def visit_constant(self, node: fx.Node) -> None:
        """Compute a call that does not depend on the input."""
        seeded = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
        sized = any(isinstance(source.meta.get("val"), torch.SymInt) for source in node.all_input_nodes)
        if seeded or sized or not callable(node.target):
            reason = "it draws random numbers" if seeded else "it makes a tensor whose size depends on the batch"
            self.refuse(node, Refusal(reason, "make it a buffer of the model, with a batch axis of 1"))
            return
        arguments, keywords = fx.map_arg((node.args, node.kwargs), lambda source: self.constants[source])
        self.constants[node] = node.target(*arguments, **keywords)

    def visit_part(self, node: fx.Node) -> None:
        """Take one of several results of a call: a part of a split, or the first of a pair such as (maximum, index)."""
        source, index = cast(tuple[fx.Node, int], node.args)  # getitem(call, index), as export writes it
        if str(source.target) in SPLITS:
            axis = int(_bind(source).get("dim", 0)) % len(node.meta["val"].shape)
            parts = source.meta["val"]
            self.judge(node, lambda call: part_of(call, parts, index, axis), source.all_input_nodes)
        elif index == 0:
            self.streams[node] = self.streams[source]
        else:
            self.refuse(node, Refusal(f"it uses result {index} of {source.target}", "use only its first result"))

    def judge(self, node: fx.Node, rule: Rule, sources: Sequence[fx.Node]) -> None:
        """Convert a call by its rule, and record the verdict."""
        streams = [source for source in sources if source in self.streams]
        try:
            shape = _sample_shape(node)
            call = Call(
                name=name_of(node, self.taken),
                operator=str(node.target),
                arguments=self.arguments(node, streams) if node.target is not operator.getitem else {},
                streams=tuple(self.streams[source] for source in streams),
                shape=shape,
                origin=origin_of(node),
            )
            made = rule(call)
        except Refusal as refusal:
            self.refuse(node, refusal)
            return
        if made is None:
            self.streams[node] = self.streams[streams[0]]
            self.verdicts.append(Verdict(call.name, "structure", shape, call.origin, "passes its stream through"))
        else:
            self.append(node, made)
            self.verdicts.append(Verdict(made.name, made.kind, shape, made.origin))

    def append(self, node: fx.Node, made: Node) -> None:
        value = node.meta.get("val")
        if isinstance(value, Tensor):
            own = {name: t.detach().to(value.device, value.dtype) for name, t in made.tensors.items()}
            made = replace(made, tensors=own)
        self.nodes.append(made)
        self.streams[node] = made

    def refuse(self, node: fx.Node, refusal: Refusal) -> None:
        """Record a refusal, and go on as if the call had worked, so that all problems are found at once."""
        value = node.meta.get("val")
        first = value[0] if isinstance(value, tuple | list) and value else value
        shape = tuple(int(n) for n in first.shape[1:] if isinstance(n, int)) if isinstance(first, Tensor) else ()
        origin, name = origin_of(node), name_of(node, self.taken)
        before = {self.streams[source].name for source in node.all_input_nodes if source in self.streams}
        if not (isinstance(refusal, Displaced) and before & self.refused):
            self.verdicts.append(Verdict(name, "refused", shape, origin, refusal.reason, refusal.remedy))
        self.refused.add(name)
        inputs = tuple(self.streams[source].name for source in node.all_input_nodes if source in self.streams)
        self.append(node, Node(name, "structure", origin.operator, inputs, shape, origin=origin))

    def arguments(self, node: fx.Node, streams: list[fx.Node]) -> dict[str, Any]:
        """Return the arguments of a call by name, with Slot, Rows and tensors in place of exported nodes."""

        def value_of(source: fx.Node) -> Any:
            if source in self.streams:
                return Slot(streams.index(source))
            return self.constants[source] if source in self.constants else _size(source.meta.get("val"))

        bound: dict[str, Any] = fx.map_arg(_bind(node), value_of)
        return {name: list(value) if isinstance(value, tuple | list) else value for name, value in bound.items()}

    def visit_output(self, node: fx.Node) -> None:
        names: list[str] = []
        results = cast(tuple[fx.Node, ...], node.args[0])
        for spec, result in zip(self.program.graph_signature.output_specs, results, strict=True):
            if spec.kind == OutputKind.BUFFER_MUTATION:
                raise ConversionError(
                    f"the model changes its buffer {spec.target} in forward: a spiking network has no such state; "
                    "compute it outside, or export it after model.eval() if it is a statistic of batch norm"
                )
            if spec.kind == OutputKind.USER_OUTPUT:
                if result not in self.streams:
                    raise ConversionError(
                        f"output {len(names)} of the model does not depend on its input: return only what it computes"
                    )
                names.append(self.streams[result].name)
        self.outputs = tuple(names)


def _bind(node: fx.Node) -> dict[str, Any]:
    """Return all arguments of a call by the names of the operator's schema, defaults included."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    bound = {argument.name: argument.default_value for argument in schema}
    bound.update(zip((argument.name for argument in schema), node.args, strict=False))
    return {**bound, **node.kwargs}


def _size(value: object) -> object:
    """Return the batch size as Rows; refuse any other size that depends on it."""
    if isinstance(value, torch.SymInt) and value.node.expr.is_symbol:
        return Rows()
    if isinstance(value, torch.SymInt):
        raise Refusal(f"a size depends on the batch ({value})", "keep the batch axis apart from the others")
    return value


def _sample_shape(node: fx.Node) -> tuple[int, ...]:
    """Return the shape of one sample of a call's result; refuse a result whose first axis is not the batch."""
    value = node.meta.get("val")
    value = value[0] if isinstance(value, tuple | list) else value
    if not isinstance(value, Tensor):
        raise Refusal(f"it returns {type(value).__name__}", "return tensors")
    if not value.is_floating_point():
        raise Refusal(f"it returns {value.dtype}", "keep the data path in floating point")
    batch = value.shape[0] if value.dim() else None
    shape = f"its result [{', '.join(map(str, value.shape))}]"
    if not (isinstance(batch, torch.SymInt) and batch.node.expr.is_symbol):
        raise Displaced(
            f"{shape} does not have the batch as its first axis", "keep the samples of a batch apart, along axis 0"
        )
    if any(isinstance(size, torch.SymInt) for size in value.shape[1:]):
        raise Refusal(f"{shape} has another free size than the batch", "export it with fixed sizes but for the batch")
    return tuple(int(size) for size in value.shape[1:])
