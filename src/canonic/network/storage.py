"""A network as one safetensors file: its tensors, and the graph as JSON in the header. Nothing is ever unpickled."""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, get_args

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from canonic.codes import CSS, Weighted, from_json
from canonic.errors import CanonicError, StorageError
from canonic.network.finite import not_finite
from canonic.network.fitting import require_fit
from canonic.network.graph import Graph, Neurons, Node, Origin, Population, Precision
from canonic.network.plain import from_plain, to_plain
from canonic.network.plan import Plan
from canonic.network.sound import require_sound
from canonic.neurons.described import KINDS, Form

FORMATS = ("canonic network 1", "canonic network 2", "canonic network 3")
"""Those that are read. In the first codes have no name, as there was CSS only; the third has rules, where the network
was trained; others are written in the second, which older versions read too."""

TRIAL = "canonic trial 1"
"""That of a trained system which is no network of steps: ``canonic.learn.zoo.trial`` reads it."""

TRAINING = "canonic training 1"
"""That of a checkpoint: ``canonic.learn.checkpoint`` reads it."""

TIME = ("seed", "readout", "follows")
"""What a plan says of time, where the network was trained in it."""

UPDATE = "update canonic, or convert the model again with this version"


def save_plan(path: str | PathLike[str], plan: Plan, record: Mapping[str, Any]) -> None:
    """Write a network to a file, whole or not at all.

    Raises:
        StorageError: if it cannot be written, or holds numbers that are not finite.
    """
    if wrong := not_finite(plan.graph):
        raise StorageError(f"the network cannot be saved in {path}: {wrong}; convert it again")
    for rule in (node.neurons.rule for node in plan.graph.populations):
        if rule and not rule.known:
            raise StorageError(
                f"the network cannot be saved in {path}: the rule {rule.name} is none of {', '.join(KINDS)}, "
                "which a file may name"
            )
    tensors = {
        f"{n.name}/{key}": t.cpu().contiguous().clone() for n in plan.graph.nodes for key, t in n.tensors.items()
    }
    described = {**described_plan(plan), "record": dict(record)}
    write_whole(
        Path(path), save(tensors, {"format": FORMATS[2 if plan.stepwise else 1], "network": json.dumps(described)})
    )


def write_json(path: Path, value: object) -> None:
    """Write plain data as JSON, as ``write_whole`` does."""
    write_whole(path, (json.dumps(value, indent=1) + "\n").encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it, so that a full disk or an interrupt leaves nothing half-written.

    Raises:
        StorageError: if it cannot be written.
    """
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StorageError(
            f"cannot write {path} ({len(content)} bytes): {error.strerror}; nothing was left behind, "
            "choose a folder that exists and has space"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def load_plan(path: str | PathLike[str]) -> tuple[Plan, dict[str, Any]]:
    """Read a network and its record from a file.

    Raises:
        StorageError: if the file is missing, damaged, or of another kind.
    """
    try:
        header, tensors = contents(path)
    except FileNotFoundError:
        raise StorageError(f"there is no file {path}") from None
    except (SafetensorError, OSError) as error:
        raise StorageError(
            f"{path} is no network that canonic convert or canonic train wrote, or it is damaged ({error}): make it "
            "again"
        ) from None
    _require_format(path, header.get("format", ""))
    if "network" not in header:
        raise _unreadable(path, "", KeyError("network"))
    return restored(path, header["network"], tensors)


def contents(path: str | PathLike[str]) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return what the header of a safetensors file tells, and its tensors by name."""
    with safe_open(path, "pt") as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def restored(path: str | PathLike[str], network: str, tensors: Mapping[str, Tensor]) -> tuple[Plan, dict[str, Any]]:
    """Return a network and its record from the JSON of ``described_plan``, with the record, and tensors by name.

    Raises:
        StorageError: if they do not fit, or are of another version; the message names the file.
    """
    try:
        described = json.loads(network)
        plan, record = _plan(described, tensors), described["record"]
        require_sound(plan)
        require_fit(plan.graph)
        if record.get("precision", "fp32") not in get_args(Precision):
            raise ValueError(f"the precision {record['precision']!r} is none")
        if wrong := not_finite(plan.graph):
            raise ValueError(wrong)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _unreadable(path, network, error) from None
    return plan, record


def _require_format(path: str | PathLike[str], found: str) -> None:
    if found in FORMATS:
        return
    if found.startswith(FORMATS[0].rstrip("0123456789")):
        read = ", ".join(map(repr, FORMATS))
        raise StorageError(
            f"{path} is of the format {found!r}, and canonic {version('canonic')} reads {read}: {UPDATE}"
        )
    if found == TRIAL:
        raise StorageError(
            f"{path} holds a trained system that is no network of steps: canonic evaluate and canonic report open it"
        )
    if found == TRAINING:
        raise StorageError(
            f"{path} holds a training that has not ended: canonic train --resume goes on with it, as fit in its folder "
            "does, and then saves the network"
        )
    raise StorageError(
        f"{path} holds no network, but {found or 'tensors alone'}: make one with canonic convert or canonic train"
    )


def _unreadable(path: str | PathLike[str], network: str, error: Exception) -> StorageError:
    """Return what to say of a file that another version wrote, or has a code that this one lacks; or is damaged."""
    here, wrote = version("canonic"), _writer(network)
    if wrote in ("", here) and not isinstance(error, CanonicError):
        return StorageError(f"{path} is damaged ({type(error).__name__}: {error}): save the network again")
    by = "a newer version" if wrote in ("", here) else f"canonic {wrote}"
    return StorageError(f"{path} was written by {by}, and canonic {here} cannot read it ({error}): {UPDATE}")


def _writer(network: str) -> str:
    """Return the version of canonic that converted a network; "" if its file does not say."""
    try:
        return str(json.loads(network)["record"]["versions"]["canonic"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return ""


def described_plan(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain data, without its tensors."""
    graph = plan.graph
    return {
        **({name: getattr(plan, name) for name in TIME} if plan.stepwise else {}),
        "code": plan.code.to_json(),
        "bias": plan.bias,
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "form": graph.form,
        "nodes": [_describe_node(node) for node in graph.nodes],
    }


def _describe_node(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "kind": node.kind,
        "operator": node.operator,
        "inputs": node.inputs,
        "shape": node.shape,
        "arguments": to_plain(dict(node.arguments)),
        "scaling": node.scaling,
        "alone": node.alone,
        "neurons": _describe_neurons(node.neurons) if isinstance(node, Population) else None,
        "origin": asdict(node.origin),
    }


def _describe_neurons(neurons: Neurons) -> dict[str, Any]:
    rule = {"rule": neurons.rule.to_json()} if neurons.rule else {}
    plain = asdict(replace(neurons, rule=None))
    del plain["rule"]
    return {**plain, "code": neurons.code and neurons.code.to_json(), **rule}


def _plan(data: dict[str, Any], tensors: Mapping[str, Tensor]) -> Plan:
    nodes = tuple(_node(described, tensors) for described in data["nodes"])
    graph = Graph(nodes, tuple(data["inputs"]), tuple(data["outputs"]), data["form"])
    return Plan(graph, _code(data["code"]), data["bias"], **{name: data[name] for name in TIME if name in data})


def _node(data: dict[str, Any], tensors: Mapping[str, Tensor]) -> Node:
    own = {name.rpartition("/")[2]: t for name, t in tensors.items() if name.rpartition("/")[0] == data["name"]}
    given = {
        **{name: value for name, value in data.items() if name != "neurons"},
        "inputs": tuple(data["inputs"]),
        "shape": tuple(data["shape"]),
        "arguments": from_plain(data["arguments"]),
        "tensors": own,
        "origin": Origin(**data["origin"]),
    }
    neurons = data["neurons"]
    return Node(**given) if neurons is None else Population(**given, neurons=_neurons(neurons))


def _neurons(data: dict[str, Any]) -> Neurons:
    rule = Form.from_json(data["rule"]) if "rule" in data else None
    return Neurons(**{**data, "code": data["code"] and _code(data["code"]), "rule": rule})


def _code(data: dict[str, Any]) -> Weighted:
    return from_json({"name": CSS.name, **data})
