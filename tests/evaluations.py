"""Evaluations in the form that a report reads, with figures that are made up: no network has to be run for them."""

import random

CONSTANTS = {"ac": 0.9, "mac": 4.6, "mac int8": 0.23}


def made_up(populations, *, steps=8, silent=1, samples=10_000, task="classification", complete=True, classes=10):
    """Return an evaluation of populations {name: neurons}, one after the other."""
    some = random.Random(0)
    depth, total = len(populations), steps + silent * len(populations)
    settling = [None] * (total - steps) + [round(0.81 - 0.6 * 2.0**-m, 4) for m in range(1, steps + 1)]
    layers = {
        name: {
            "neurons": neurons,
            "positive": [round(neurons * some.uniform(0.02, 0.2), 1) for _ in range(steps)],
            "negative": [round(neurons * some.uniform(0.01, 0.15), 1) if m else 0.0 for m in range(steps)],
            "silent neurons": round(some.uniform(0.1, 0.5), 3),
            "overload rate": round(10 ** some.uniform(-6, -3), 7),
        }
        for name, neurons in populations.items()
    }
    neurons = sum(populations.values())
    spikes = sum(sum(layer["positive"]) + sum(layer["negative"]) for layer in layers.values())
    operations = {name: {"ACs": 90 * n, "MACs": 0, "dense": 300 * n} for name, n in populations.items()}
    accuracy = {
        "source": 0.8103,
        "source interval": [0.8025, 0.8179],
        "network": settling[-1],
        "interval": [0.8, 0.816],
        "by step": settling,
        "agreement": 0.992,
        "agreement by step": [v and round(v + 0.18, 4) for v in settling],
        "top5": {"source": 0.98, "network": 0.979} if classes > 5 else None,
        "flips": {"lost": 33, "won": 26, "p": 0.43},
    }
    return {
        "format": "canonic evaluation 1",
        "network": {
            "fingerprint": "5f" * 32,
            "precision": "fp32",
            "T": steps,
            "k": silent,
            "depth": depth,
            "total steps": total,
            "populations": depth,
            "neurons": neurons,
            "parameters": 272_474,
        },
        "data": {"samples": samples, "sha256": "a1" * 32, "complete": complete},
        "task": task,
        "accuracy": accuracy if task == "classification" else None,
        "error": {
            "mse": 0.0012,
            "source mse": None if task == "classification" else 0.0011,
            "snr dB": 33.1,
            "snr dB by step": [None] * (total - steps)
            + [round(33.1 - 4 * (steps - m), 2) for m in range(1, steps + 1)],
        },
        "spikes": {"per neuron": spikes / neurons, "silent neurons": 0.31, "layers": layers},
        "operations": {
            "spiking": {"ACs": 9.1e7, "MACs": 4.4e5, "membrane updates": float(neurons * steps)},
            "layers": operations,
            "source": {"dense MACs": 4.08e7, "effective MACs": 2.2e7},
        },
        "neurobench": {
            "footprint": 1_089_896,
            "connection_sparsity": 0.0,
            "activation_sparsity": 0.74,
            "membrane_updates": neurons * steps,
            "synaptic_operations": {"Effective_MACs": 4.4e5, "Effective_ACs": 9.1e7, "Dense": 3.3e8},
        },
        "latency": {
            "total steps": total,
            "first answer": total - steps + 1,
            "between samples": steps + silent,
            "wall": {"seconds": 61.2, "samples per second": 163.4},
        },
        "energy": {
            "models": {"horowitz45": _model(0.0, settling[-1]), "memory": _model(1.0, settling[-1])},
            "caveat": "estimates from costs per operation, not measured on a chip",
        },
        "baselines": {
            "quantised": {"bits": 8, "accuracy": 0.8098, "agreement": 0.993, "samples": samples, "MACs": 4.08e7}
            | {"total steps": steps * depth},
            "rate": {
                "accuracy by step": [round(0.79 * (1 - 0.97**t), 4) for t in range(1, 129)],
                "samples": 1000,
                "spikes per neuron by step": [round(0.09 * t, 3) for t in range(1, 129)],
                "ACs by step": [1.2e6 * t for t in range(1, 129)],
            },
        },
    }


def _model(memory, accuracy):
    rows = {
        "spiking": (accuracy, 84.0, 41.0),
        "source, fp32": (0.8103, 187.7, 60.0),
        "source, int8": (0.8101, 9.4, 15.0),
        "source, int8, zeros skipped": (0.8101, 5.1, 9.0),
        "quantised to 8 bits, spiking activations": (0.8098, 9.4, 16.0),
        "rate code, 128 steps": (0.774, 138.0, 96.0),
    }
    return {
        "source": "Horowitz 2014, Computing's energy problem (ISSCC), 45 nm",
        "constants": dict(CONSTANTS),
        "rows": [
            {
                "network": name,
                "accuracy": value,
                "compute": compute,
                "memory": moved if memory else None,
                "total": compute + memory * moved,
            }
            for name, (value, compute, moved) in rows.items()
        ],
    }


def verdict(populations):
    """Return what ``verify`` says of them, made up too."""
    some = random.Random(1)
    layers = [
        {
            "name": name,
            "silent": 1,
            "snr": round(45 - index * 0.8 + some.uniform(-2, 2), 2),
            "expected": round(46 - index * 0.8, 2),
            "own": round(48 + some.uniform(-3, 3), 2),
            "overload": round(10 ** some.uniform(-6, -3), 7),
        }
        for index, name in enumerate(populations)
    ]
    return {
        "samples": 100,
        "layers": layers,
        "outputs": {"linear": 33.1},
        "first_drop": None,
        "advice": "no layer stands out",
    }
