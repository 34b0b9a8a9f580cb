"""From an ordinary network to one with populations, and from a trained one to a ``SpikingNetwork``."""

import platform
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from importlib.metadata import version
from typing import cast, get_args

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from canonic.codes import Rate
from canonic.codes.encoders import Poisson
from canonic.conversion.explain import require_convertible, require_weights
from canonic.datasets.digests import digest_of_tensors
from canonic.errors import ConversionError, DataError, first_line
from canonic.frontend import captured, decompose_unknown, fold, import_program, require_finite, require_same
from canonic.frontend.eager import evaluating
from canonic.learn.feedback import Feedback
from canonic.learn.modules import Dropout, Encode
from canonic.learn.population import Population
from canonic.learn.schedule import marking, unroll
from canonic.network import SpikingNetwork
from canonic.network.batch import described, remedy
from canonic.network.classes import require_names
from canonic.network.graph import Graph, Neurons, Node, Slot
from canonic.network.graph import Population as Spiking
from canonic.network.inputs import channels_last, prototype
from canonic.network.plan import Plan, Readout
from canonic.network.ruled import FIELD
from canonic.network.traits import CLIP
from canonic.neurons.described import parted
from canonic.neurons.encoding import Encoded, PoissonTrain
from canonic.neurons.rules import Rule


def spiking(ann: nn.Module, rule: Rule) -> nn.Module:
    """Return a copy of a network with a ``Population`` of a rule in the place of each ``nn.ReLU``.

    Raises:
        ConversionError: if it has none: a ReLU that forward computes as a function is not seen.

    >>> from canonic.learn import LIF
    >>> spiking(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), LIF(leak=0.5))[1].rule.leak
    0.5
    """
    if isinstance(rule, type) or not isinstance(rule, Rule):
        raise ConversionError(f"rule must be a rule with its fields, as LIF(leak=0.5), got {described(rule)}")
    copied = deepcopy(ann)
    places = [path for path, module in copied.named_modules(remove_duplicate=False) if path and _relu(module)]
    if not places:
        raise ConversionError("the network has no nn.ReLU that a Population could replace: make its ReLUs modules")
    for path in places:
        copied.set_submodule(path, Population(rule))
    return copied


def as_network(
    net: nn.Module,
    example: Shaped[Tensor, "..."],
    steps: int | None = None,
    *,
    readout: Readout = "mean",
    seed: int | None = None,
    classes: Sequence[str] = (),
) -> SpikingNetwork:
    """Return a trained network as one that is run, measured and kept as a converted one.

    Each call runs ``steps`` steps from rest: those of ``unroll``.

    Args:
        net: with populations, as ``unroll`` takes it; it stays as it is, and is read as it computes in ``eval()``.
        example: samples ``[batch, *shape]``; without steps a stream ``[time, batch, *shape]``. The network then takes
            sequences, ``[batch, time, *shape]``, as long as this one.
        steps: T; those of its ``Encode``, if it has one and this is None.
        readout: how its answer is read from the outputs: their "mean" so far, the "last" one, as of a membrane that
            adds up, or the "first" event of the population that they come from.
        seed: of what is random in it. A sample draws by its place in the batch.
        classes: names of the classes, if they are known.

    Raises:
        DataError: as ``unroll``, for the example.
        ConversionError: if the network cannot be captured as a graph; the message names the place.

    >>> from canonic.learn import LIF, Population, unroll
    >>> net = nn.Sequential(nn.Linear(4, 3), Population(LIF()), nn.Linear(3, 2)).eval()
    >>> x = torch.rand(5, 4)
    >>> snn = as_network(net, x, steps=8)
    >>> torch.allclose(snn(x), unroll(net, x, steps=8).output.mean(0), atol=1e-6)
    True
    """
    if not isinstance(net, nn.Module):
        raise ConversionError(f"net must be an nn.Module, got {described(net)}: make one whose forward does this")
    steps = _encoded(net) if steps is None else steps
    follows = steps is None
    _require_example(example, follows=follows)
    with evaluating(net), torch.no_grad():
        _require_run(net, example[:, :2] if follows else example[:2], steps, seed)
        with marking(net):
            graph = _captured(net, example[0] if follows else example)
    code = Rate(len(example) if steps is None else steps)
    graph = _in_frames(graph, example) if follows else graph
    modules = dict(net.named_modules())
    with torch.no_grad():
        nodes = tuple(_placed(node, modules, code, prototype(graph)) for node in graph.nodes)
    graph = replace(graph, nodes=nodes).map_tensors(lambda tensor: channels_last(tensor.detach().clone()))
    drawn = any(node.neurons.rule and node.neurons.rule.random for node in graph.populations)
    require_names(graph, classes)
    _require_readout(graph, readout)
    return SpikingNetwork(
        Plan(graph, code, follows=follows, seed=seed if drawn else None, readout=readout), _record(net, classes)
    )


def _require_example(example: object, *, follows: bool) -> None:
    """Raise a DataError unless an example holds numbers, of each step where there are no steps else."""
    if not isinstance(example, Tensor) or not example.is_floating_point():
        advice = "convert it, x.float()" if isinstance(example, Tensor) else remedy(example)
        raise DataError(f"the example must be a tensor of floating point, got {described(example)}: {advice}")
    if follows and example.dim() < 3:
        raise DataError(
            f"an example without steps is a stream [time, batch, *shape], got {list(example.shape)}: give steps= for "
            "samples that are the same at each step, say steps=4"
        )
    if not bool(example.isfinite().all()):
        raise DataError("the example holds NaN or infinity: clean the data first (torch.isfinite finds them)")


def _require_run(net: nn.Module, few: Tensor, steps: int | None, seed: int | None) -> None:
    """Raise unless a network runs, with what ``unroll`` says of it."""
    try:
        unroll(net, few, steps, seed=seed)
    except (RuntimeError, TypeError, IndexError) as error:
        raise ConversionError(
            f"the network cannot be run on an example {list(few.shape)}: {first_line(error)}; give samples as in "
            "its training"
        ) from error


def _require_readout(graph: Graph, readout: str) -> None:
    """Raise a ConversionError if answers cannot be read in this way."""
    if readout not in get_args(Readout):
        raise ConversionError(f"readout must be one of {', '.join(get_args(Readout))}, got {readout!r}")
    for output in map(graph.__getitem__, graph.outputs):
        fires = isinstance(output, Spiking) and output.neurons.rule is not None and output.neurons.rule.fires
        if readout == "first" and not (fires and len(output.shape) == 1):
            raise ConversionError(
                f"the output {output.name} is no population [batch, classes] that fires, whose first event could "
                "answer: take readout='mean'"
            )


def _relu(module: nn.Module) -> bool:
    return type(module) is nn.ReLU


def _encoded(net: nn.Module) -> int | None:
    """Return the steps that the encoders of a network have, if it has any."""
    return next((module.encoder.steps for module in net.modules() if isinstance(module, Encode)), None)


def _in_frames(graph: Graph, example: Tensor) -> Graph:
    """Return a graph whose input is a sequence."""
    frames = {"frames": len(example)}
    nodes = (replace(n, arguments={**n.arguments, **frames}) if n.kind == "input" else n for n in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def _captured(net: nn.Module, example: Tensor) -> Graph:
    """Return the graph of a network whose populations mark their places."""
    with captured(net, example) as capture:
        require_finite(capture.program)
        graph, verdicts = import_program(decompose_unknown(capture.program))
        require_weights(capture.program)
        require_convertible(verdicts)
        require_same(capture, fold(graph))
        return fold(graph)


def _placed(node: Node, modules: Mapping[str, nn.Module], code: Rate, like: Tensor) -> Node:
    """Return a node as it is in steps: populations with their rules, a ReLU as a function of each step."""
    if not isinstance(node, Spiking):
        return node
    if "module" not in node.arguments:
        return _function(node)
    module = modules[node.arguments["module"]]
    form, own = parted(_rule_of(module))
    tensors = {f"{FIELD}{field}": value for field, value in own.items()} | _recurrent(module, node.name)
    theta = like.new_ones([1] * len(node.shape))
    neurons = Neurons(signed=True, code=code, rule=form, encodes=isinstance(module, Encode))
    return replace(node, neurons=neurons, tensors={"theta": theta, **tensors})


def _rule_of(module: nn.Module) -> Rule:
    """Return how a population, or an encoder, moves."""
    if isinstance(module, Encode):
        encoder = module.encoder
        return PoissonTrain(encoder.sends) if isinstance(encoder, Poisson) else Encoded(encoder)
    return cast("Population", module).rule


def _recurrent(module: nn.Module, name: str) -> dict[str, Tensor]:
    """Return the matrix by which the spikes of a population come back to it."""
    recurrent = module.recurrent if isinstance(module, Population) else None
    if recurrent is None:
        return {}
    chain = recurrent if isinstance(recurrent, nn.Sequential) else [recurrent]
    parts = [part for part in chain if not isinstance(part, Dropout)]
    if len(parts) != 1 or not isinstance(matrix := parts[0], nn.Linear | Feedback):
        kind = type(recurrent).__name__
        raise ConversionError(f"recurrent of {name} is a {kind}: a network takes nn.Linear or Feedback there")
    bias = getattr(matrix, "bias", None)
    return {"recurrent": matrix.weight, **({} if bias is None else {"recurrent bias": bias})}


def _function(node: Spiking) -> Node:
    """Return a ReLU without neurons: a clamp."""
    arguments = {"self": Slot(0), "min": 0.0, "max": node.neurons.ceiling}
    given = (node.inputs, node.shape, arguments)
    return Node(node.name, "function unit", CLIP, *given, scaling="mixes", alone=node.alone, origin=node.origin)


def _record(net: nn.Module, classes: Sequence[str]) -> dict[str, object]:
    """Return how the network was made, as plain data."""
    versions = {"canonic": version("canonic"), "torch": torch.__version__, "python": platform.python_version()}
    weights = {"tensors_sha256": digest_of_tensors(net.state_dict())}
    return {"versions": versions, "weights": weights, "classes": list(classes), "notes": []}
