"""Runs a .nir file step by step with numpy and h5py alone, by what docs/tasks/export.md says: nothing else is read."""

import json

import h5py
import numpy as np


class Network:
    """A graph of a file, and what it does with samples ``[batch, *shape]``."""

    def __init__(self, path):
        with h5py.File(path) as file:
            root = file["node"]
            self.about = json.loads(root["metadata/canonic"][()])
            self.nodes = {
                name: {key: content(item) for key, item in node.items()} for name, node in root["nodes"].items()
            }
            edges = [(a.decode(), b.decode()) for a, b in root["edges"][()]]
        self.sources = {name: [a for a, b in edges if b == name] for name in self.nodes}
        self.kinds = {name: node["type"].decode() for name, node in self.nodes.items()}
        self.order = ordered(self.sources, {n for n in self.nodes if n.endswith(":recurrent")})

    def run(self, *inputs):
        """Return the answer after each step and what every node sent: ``[steps, batch, *shape]``."""
        inputs, steps = [np.asarray(x, float) for x in inputs], self.about["steps"]
        self.memory, sent, answers = {}, {name: [] for name in self.nodes}, {}
        fed = dict(zip(self.about["plan"]["inputs"], inputs, strict=True))
        for t in range(1, steps + 1):
            out = {}
            for name in self.order:
                out[name] = self.step(name, t, self.arriving(name, out, sent, len(inputs[0])), fed)
                sent[name].append(out[name])
        for name, node in self.nodes.items():
            if self.kinds[name] == "Output":
                answers[name] = answer(node["metadata"], np.stack(sent[name]))
        return answers, {name: np.stack(stream) for name, stream in sent.items()}

    def arriving(self, name, out, sent, batch):
        """Return the sum of what a node reads; spikes that lead back come one step later."""
        read = [out[a] if a in out else (sent[a][-1] if sent[a] else None) for a in self.sources[name]]
        known = [x for x in read if x is not None]
        return sum(known) if known else np.zeros((batch, *np.atleast_1d(self.nodes[name].get("shape", ()))))

    def step(self, name, t, x, fed):
        node, kind = self.nodes[name], self.kinds[name]
        about = node.get("metadata", {})
        if kind == "Input":
            return source(about, t, fed.get(name), x)
        if about.get("is") == "maximum":
            return self.maximum(name, t, x, node)
        if about.get("is") in ("population", "neuron"):
            move = {"population": population, "neuron": neuron}[about["is"]]
            self.memory[name], s = move(about, node, self.memory.get(name), x, t)
            return s
        if kind == "Delay":
            queue = self.memory.setdefault(name, [np.zeros_like(x)] * round(node["delay"].flat[0] / self.about["dt"]))
            queue.append(x)
            return queue.pop(0)
        return MAPS[kind](node, x)

    def maximum(self, name, t, x, node):
        """Return the digit of the largest of the numbers that streams stand for so far."""
        about = node["metadata"]
        if about["of"] == "steps":
            return windows(node, x, -np.inf).max((-2, -1))
        m, before = t - about["begin"], self.memory.get(name, (0.0, 0.0))
        if not 1 <= m <= len(about["weights"]):
            return np.zeros(windows(node, x, 0).shape[:-2])
        w, n = about["weights"][m - 1], about["norms"][m - 1]
        total = before[0] + w * x
        value = n * windows(node, total / n, -np.inf).max((-2, -1))
        self.memory[name] = (total, value)
        return (value - before[1]) / w


def content(item):
    """Return a field; metadata with the JSON in them opened."""
    if isinstance(item, h5py.Dataset):
        return item[()]
    if "canonic" not in item:
        return {key: content(own) for key, own in item.items()}
    plain = json.loads(item["canonic"][()])
    return {**plain, **{key.removeprefix("canonic."): own[()] for key, own in item.items() if key != "canonic"}}


def ordered(sources, later):
    """Return names so that each comes behind what it reads; those of ``later`` are read one step late."""
    order = []
    while len(order) < len(sources):
        ready = [n for n in sources if n not in order and all(s in order or s in later for s in sources[n])]
        assert ready, "a cycle"
        order += ready
    return order


def source(about, t, x, nothing):
    """Return what an input is fed at a step."""
    if "frames" in about:
        return x[:, t - 1]
    m, gains = t - about.get("begin", 0), about["gains"]
    gain = gains[m - 1] if 1 <= m <= len(gains) else 0.0
    return gain * (np.ones_like(nothing) if x is None else x)


def windows(node, x, padding):
    """Return the windows of pictures: [batch, channels, height, width, *kernel]."""
    (ph, pw), (sh, sw) = np.broadcast_to(node["padding"], 2), np.broadcast_to(node["stride"], 2)
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=padding)
    return np.lib.stride_tricks.sliding_window_view(padded, tuple(node["kernel_size"]), (2, 3))[:, :, ::sh, ::sw]


def convolve(node, x):
    weight, (dh, dw) = node["weight"].astype(float), np.broadcast_to(node["dilation"], 2)
    spread = np.zeros((*weight.shape[:2], (weight.shape[2] - 1) * dh + 1, (weight.shape[3] - 1) * dw + 1))
    spread[:, :, ::dh, ::dw] = weight
    seen = windows({**node, "kernel_size": spread.shape[2:]}, x, 0.0)
    groups = int(node["groups"])
    parts = zip(np.split(seen, groups, 1), np.split(spread, groups), strict=True)
    sums = [np.einsum("bchwij,ocij->bohw", a, w, optimize=True) for a, w in parts]
    return np.concatenate(sums, 1) + node["bias"].astype(float)[:, None, None]


def convolve_line(node, x):
    lifted = {**node, "weight": node["weight"][:, :, None]}
    for name, other in (("stride", 1), ("padding", 0), ("dilation", 1)):
        lifted[name] = np.array([other, int(node[name])])
    return convolve(lifted, x[:, :, None])[:, :, 0]


def flattened(node, x):
    """Return a stream as a vector, or with its elements in the places that the metadata name."""
    about = node.get("metadata", {})
    if about.get("is") != "move":
        return x.reshape(*x.shape[: node["start_dim"]], -1)
    flat = x.reshape(len(x), -1)
    if "places" in about:
        places = about["places"]
        flat = np.concatenate([np.zeros_like(flat[:, :1]), flat], 1)[:, np.abs(places)] * np.sign(places)
    return flat.reshape(len(x), *about["shape"])


MAPS = {
    "Output": lambda node, x: x,
    "Linear": lambda node, x: x @ node["weight"].astype(float).T,
    "Affine": lambda node, x: x @ node["weight"].astype(float).T + node["bias"].astype(float),
    "Scale": lambda node, x: x * node["scale"].astype(float),
    "Flatten": flattened,
    "SumPool2d": lambda node, x: windows(node, x, 0.0).sum((-2, -1)),
    "AvgPool2d": lambda node, x: windows(node, x, 0.0).mean((-2, -1)),
    "Conv2d": convolve,
    "Conv1d": convolve_line,
}


def neuron(about, _node, state, current, _t):
    """Advance neurons of a rule by one step."""
    leak, theta = (np.asarray(about.get(name, 1.0), float) for name in ("leak", "theta"))
    if state is None:
        state = (np.zeros_like(current) + np.asarray(about.get("potential", 0.0), float), np.zeros_like(current))
    kind, (v, last) = about["kind"], state
    u = leak * v + current - (theta * last if kind == "Leaky" else 0)
    if kind == "Integrator":
        return (u, last), u
    s = (u >= about.get("at", 1.0) * theta).astype(float)
    after = {"Leaky": u, "LIF": u * (1 - s) if about.get("reset") == "hard" else u - theta * s, "IF": u - theta * s}
    return (after[kind], s), s


def population(about, _node, state, current, t):
    """Advance neurons of a code by one step of their own time."""
    t, k = t - about["begin"], about["silent"]
    if not 1 <= t <= len(about["weights"]) + k:
        return state, np.zeros_like(current)
    move = amplifying if about["amplifies"] else weighted
    return move(about, state, current, t)


def amplifying(about, state, current, t):
    """u = beta v + I; fire; v = u - theta' s."""
    code, k = about["code"], about["silent"]
    v, prefix, opened = state or (0 * current + about.get("start", 0.0), 0 * current, 0 * current > 0)
    u, top = code["beta"] * v + current, code["beta"] ** k
    if t <= k:
        return (u, prefix, opened), 0 * current
    bar = about["firing"]["last"] if t == code["steps"] + k else about["firing"]["bars"][-1]
    if code["levels"] == 1:
        negative = (u <= -bar * top) & (opened | about["signed"])
        s = (u >= bar * top) * 1.0 - negative
    else:
        s = nearest(about, u / top)
        s = s if about["signed"] else np.maximum(s, -code["beta"] * prefix)
        if about["ceiling"] is not None:
            cap = np.round(about["ceiling"] / about["unit"] * code["beta"] ** (t - k - 1))
            s = np.minimum(s, cap - code["beta"] * prefix)
    return (u - top * s, code["beta"] * prefix + s, opened | (s > 0)), s


def nearest(about, u):
    bars, sizes = about["firing"]["bars"], about["alphabet"]["magnitudes"]
    found = np.zeros_like(u)
    for size, bar in zip(reversed(sizes), reversed(bars), strict=True):
        found[np.abs(u) >= bar] = size
    return found * np.sign(u)


def weighted(about, state, current, t):
    """u += w_in I; s = what the alphabet has of u / w; u -= w s."""
    arriving, k, m = about["arriving"], about["silent"], t - about["silent"]
    arrived = current * (arriving[t - 1] if t <= len(arriving) else 0.0)
    start = 0.0 if about["signed"] else about["firing"]["start"]
    u, sent, held = state or (0 * current + start + about.get("start", 0.0), 0 * current, 0 * current)
    if m < 1:
        return (u, sent, held + arrived), 0 * current
    n, w = [0.0, *about["norms"]], about["weights"][m - 1]
    u = u + (held * (n[m] - n[m - 1]) / n[-1] if k else arrived)
    s = emitted(about, m, u / w, sent / w)
    if about["ceiling"] is not None:
        s = np.minimum(s, below(about, (about["ceiling"] / about["unit"] - sent) / w))
    return (u - w * s, sent + w * s, held), s


def emitted(about, m, u, sent):
    firing, alphabet = about["firing"], about["alphabet"]
    last = firing["last"] is not None and m == len(about["weights"])
    bars = [*firing["bars"][:-1], firing["last"] if last else firing["bars"][-1]]
    size, s, held = np.abs(u) if alphabet["signed"] else u, np.zeros_like(u), np.zeros_like(u)
    for magnitude, bar in zip(reversed(alphabet["magnitudes"]), reversed(bars), strict=True):
        s[size > bar if firing["strict"] else size >= bar] = magnitude
        held[sent >= magnitude * (1 - 1e-6)] = magnitude
    if alphabet["signed"]:
        s = np.where(u < 0, -s if about["signed"] else -np.minimum(s, held), s)
    return s * (sent == 0) if firing["once"] else s


def below(about, x):
    sizes = about["alphabet"]["magnitudes"]
    events = np.sort([0.0, *sizes, *(-np.array(sizes) if about["alphabet"]["signed"] else ())])
    return events[np.clip(np.searchsorted(events, x, side="right") - 1, 0, None)]


def answer(about, stream):
    """Return what an output stands for after each step."""
    w, n, begin = (about[name] for name in ("weights", "norms", "begin"))
    digits = stream[begin : begin + len(w)]
    if about["read"] == "last":
        return digits
    shape = (-1, *[1] * (stream.ndim - 1))
    return np.cumsum(digits * np.reshape(w, shape), 0) / np.reshape(n, shape)
