"""What would become of a model: the verdict for every call, before anything is converted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.export import ExportedProgram

from canonic.codes import CSS, Weighted, code_of, text_of
from canonic.conversion.calibrate import require_sendable
from canonic.conversion.notes import noted
from canonic.conversion.populations import code_inputs, set_codes, unfit
from canonic.conversion.recode import recode
from canonic.conversion.settings import InputCode, Settings, require_kinds, resolve
from canonic.errors import ConversionError
from canonic.frontend import (
    Example,
    Model,
    Verdict,
    captured,
    decompose_unknown,
    fold,
    import_program,
    known_model,
    require_finite,
    require_same,
)
from canonic.network.depth import depth
from canonic.network.graph import Graph, Population
from canonic.network.plan import Plan, total_steps
from canonic.tables import html_table
from canonic.words import counted


@dataclass(frozen=True)
class Explanation:
    """The verdicts on a model.

    Attributes:
        verdicts: one for each call, in order of computation.
        populations: spiking populations.
        signed: those among them that code a current anew, where weights would read an analog stream.
        function_units: analog functions that stay: they are counted as MACs.
        neurons: spiking neurons for one sample.
        depth: populations on the longest path.
        total_steps: steps until the last digit of the answer, with the code that was asked about.
        code: that code.
        unfit: why populations cannot be in that code, one after the other.
    """

    verdicts: tuple[Verdict, ...]
    populations: int
    signed: int
    function_units: int
    neurons: int
    depth: int
    total_steps: int
    code: Weighted
    unfit: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[Verdict, ...]:
        """The calls that stand in the way of a conversion."""
        return tuple(verdict for verdict in self.verdicts if verdict.kind == "refused")

    @property
    def convertible(self) -> bool:
        """Whether nothing stands in the way of a conversion."""
        return not self.refused and not self.unfit

    def __repr__(self) -> str:
        return f"Explanation({'convertible' if self.convertible else 'refused'}: {self.summary})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        rows = [(v.name, v.kind, " x ".join(map(str, v.shape)), _remark(v)) for v in self.verdicts]
        return html_table(("node", "verdict", "shape", "remark"), rows, self.summary)

    def __str__(self) -> str:
        width = max(len(v.name) for v in self.verdicts)
        lines = [
            f"{v.name:{width}}  {v.kind:13}  {'x'.join(map(str, v.shape)):12}  {_remark(v)}" for v in self.verdicts
        ]
        return "\n".join((*lines, "", self.summary))

    @property
    def summary(self) -> str:
        """One sentence with the counts."""
        steps = f"T = {self.code.steps}, k = {self.code.silent}: {counted(self.total_steps, 'total step')}"
        refused = f"; {len(self.refused)} refused" if self.refused else ""
        refused += f"; {counted(len(self.unfit), 'population')} not in this code: {self.unfit[0]}" if self.unfit else ""
        signed = f" ({self.signed} signed)" if self.signed else ""
        units = f", {counted(self.function_units, 'function unit')}" if self.function_units else ""
        size = f"{counted(self.populations, 'population')}{signed}{units}, {counted(self.neurons, 'neuron')}"
        return f"{size}, depth {self.depth}; {steps}{refused}"


def explain(
    model: Model, example: Example, *, code: Weighted | str | None = None, settings: Settings | None = None
) -> Explanation:
    """Return the verdict for every call of a model, without converting it.

    Args:
        model: as for ``convert``.
        example: one batch for each input, ``[batch, *shape]``.
        code: for the total steps, or its name; ``CSS()`` if None.
        settings: the codes of the input and of single populations; ``Settings()`` if None.

    Raises:
        ConversionError: if the model cannot be captured, has no population, or unlike codes meet that cannot.

    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> print(explain(model, torch.zeros(1, 4)).summary)
    1 population, 3 neurons, depth 1; T = 8, k = 1: 9 total steps
    """
    code = code_of(code) if isinstance(code, str) else CSS() if code is None else code
    settings = Settings() if settings is None else settings
    require_kinds(code, settings)
    graph, found = analyse(model, example, code, settings.input)
    if found.refused:
        return found
    rules = resolve(settings, [node.name for node in graph.populations])
    own = [(node, code_of(node.neurons.code or rules[node.name].code or code)) for node in graph.populations]
    reasons = tuple(reason for node, chosen in own if (reason := unfit(graph, node, chosen)))
    return replace(found, unfit=reasons) if reasons else _in_codes(found, graph, set_codes(graph, code, rules))


def _in_codes(found: Explanation, graph: Graph, coded: Graph) -> Explanation:
    """Return an explanation with what the codes of its populations come to, and with those that they make necessary."""
    known = {node.name for node in graph.populations if not node.neurons.encodes}
    added = (node for node in coded.populations if node.name not in known)
    return replace(
        found,
        verdicts=(*found.verdicts, *(_coding(node) for node in added)),
        populations=len(coded.populations),
        function_units=sum(node.kind == "function unit" for node in coded.nodes),
        neurons=sum(coded.neurons.values()),
        depth=depth(coded),
        total_steps=total_steps(Plan(coded, found.code)),
    )


def _coding(node: Population) -> Verdict:
    """Return the verdict on a population that is there for its code alone."""
    code, what = node.neurons.code or CSS(), "the input" if node.neurons.encodes else node.inputs[0]
    once = ", at most one spike for each number" if code.firing.once else ""
    note = f"codes {what} in {text_of(code)}{once}"
    return Verdict(node.name, "population", node.shape, node.origin, reason=note)


def analyse(model: Model, example: Example, code: Weighted, inputs: InputCode = "direct") -> tuple[Graph, Explanation]:
    """Return the folded graph of a model, unfit for use where a call is refused, and the explanation."""
    with captured(known_model(model), example) as capture:
        require_finite(capture.program)
        imported, verdicts = import_program(decompose_unknown(capture.program))
        require_weights(capture.program)
        folded = fold(imported)
        coded = inputs if isinstance(inputs, Weighted) else None
        graph = recode(folded if inputs == "direct" else code_inputs(folded, coded))
        whole = not any(verdict.kind == "refused" for verdict in verdicts)
        for node in (node for node in graph.populations if node.neurons.encodes):
            require_sendable(node, capture.inputs[graph.inputs.index(node.inputs[0])])
        if whole:
            require_same(capture, graph)
    if whole and not graph.populations:
        raise ConversionError(
            "nothing in this model would spike: it has no relu and no two layers of weights in a row; canonic makes "
            "populations of neurons between layers, so the model needs at least two"
        )
    deep = depth(graph)
    neurons = sum(graph.neurons.values())
    total = code.steps + code.silent * deep
    signed = sum(node.neurons.signed and not node.neurons.encodes for node in graph.populations)
    units = sum(node.kind == "function unit" for node in graph.nodes)
    verdicts = noted(verdicts, imported, graph)
    return graph, Explanation(verdicts, len(graph.populations), signed, units, neurons, deep, total, code)


def require_weights(program: ExportedProgram) -> None:
    """Raise unless the weights are numbers of 32 or 64 bits; what forward turns into others is refused there."""
    for name, tensor in program.state_dict.items():
        if tensor.is_floating_point() and tensor.dtype not in (torch.float32, torch.float64):
            raise ConversionError(
                f"the weights of the model are {tensor.dtype} ({name}): convert it to float32 first, model.float()"
            )
        if tensor.is_meta:
            raise ConversionError(
                "the weights of the model are on the device meta, which holds no numbers: load them first, "
                "model.to_empty(device='cpu') and model.load_state_dict(...)"
            )


def _remark(verdict: Verdict) -> str:
    source = f"  ({verdict.origin.source})" if verdict.origin.source and verdict.kind == "refused" else ""
    return verdict.remark + source


def require_convertible(verdicts: Sequence[Verdict]) -> None:
    """Raise a ConversionError that names every refused call, its shape, its line, why, and what to do."""
    refused = [verdict for verdict in verdicts if verdict.kind == "refused"]
    if not refused:
        return
    problems = [
        f"  {v.name} ({v.origin.operator}, {list(v.shape)}): {v.reason}; {v.remedy}"
        + (f"\n    {v.origin.source}" if v.origin.source else "")
        for v in refused
    ]
    raise ConversionError(
        "\n".join((f"{counted(len(problems), 'operator')} of the model cannot be converted:", *problems))
    )
