"""Evaluations in the form that a report reads, with figures that are made up: no network has to be run for them."""

import random

MODELS = {"horowitz45": 0.0, "traffic45": 1.0, "tiled45": 0.1}
"""Models of energy, with the share of the memory that they count."""


def made_up(populations, *, steps=8, silent=1, samples=10_000, task="classification", complete=True, baselines=True):
    """Return an evaluation of populations {name: neurons}, one after the other, in the form of Evaluation.to_json."""
    some = random.Random(0)
    depth, total = len(populations), steps + silent * len(populations)
    settling = [None] * (total - steps) + [round(0.81 - 0.6 * 2.0**-m, 4) for m in range(1, steps + 1)]
    layers = {
        name: {
            "neurons": neurons,
            "positive": [round(neurons * some.uniform(0.02, 0.2), 1) for _ in range(steps)],
            "negative": [round(neurons * some.uniform(0.01, 0.15), 1) if m else 0.0 for m in range(steps)],
            "silent_neurons": round(some.uniform(0.1, 0.5), 3),
            "overload_rate": round(10 ** some.uniform(-6, -3), 7),
        }
        for name, neurons in populations.items()
    }
    neurons = sum(populations.values())
    spikes = sum(sum(layer["positive"]) + sum(layer["negative"]) for layer in layers.values())
    operations = {
        name: {"ACs": 90.0 * n, "MACs": 0.0, "dense_ACs": 300.0 * n, "dense_MACs": 0.0, "event_ACs": 90.0 * n}
        for name, n in populations.items()
    }
    accuracy = {
        "labels": samples,
        "source": 0.8103,
        "source_interval": [0.8025, 0.8179],
        "network": settling[-1],
        "interval": [0.8, 0.816],
        "by_step": settling,
        "agreement": 0.992,
        "agreement_by_step": [v and round(v + 0.18, 4) for v in settling],
        "top5": {"source": 0.98, "network": 0.979},
        "flips": {"lost": 33, "won": 26, "p": 0.43},
    }
    return {
        "format": "canonic evaluation 3",
        "network": {
            "fingerprint": "5f" * 32,
            "precision": "fp32",
            "codes": ["css"],
            "T": steps,
            "k": silent,
            "levels": 1,
            "event_bits": 2,
            "depth": depth,
            "total_steps": total,
            "populations": depth,
            "neurons": neurons,
            "weights": 272_474,
        },
        "data": {"samples": samples, "sha256": "a1" * 32, "calibrated": 0, "complete": complete}
        | {"gap": "" if complete else f"interrupted after {samples} samples"},
        "task": task,
        "output": "output",
        "outputs": {"output": {"first_answer": total - steps + 1} | _compared(settling, total, steps, task)},
        "accuracy": accuracy if task == "classification" else None,
        "error": {
            "mse": None if task == "classification" else 0.0012,
            "source_mse": None if task == "classification" else 0.0011,
            "snr_db": 33.1,
            "snr_db_by_step": [None] * (total - steps)
            + [round(33.1 - 4 * (steps - m), 2) for m in range(1, steps + 1)],
        },
        "spikes": {
            "per_neuron": spikes / neurons,
            "units_per_neuron": spikes / neurons,
            "silent_neurons": 0.31,
            "layers": layers,
        },
        "operations": {
            "spiking": {"ACs": 9.1e7, "MACs": 4.4e5, "dense_ACs": 3e8, "dense_MACs": 4.4e5, "event_ACs": 9.1e7}
            | {"membrane_updates": neurons * (steps + silent), "other_updates": 0},
            "layers": operations,
            "source": {"ACs": 2e3, "MACs": 2.2e7, "dense_ACs": 4e3, "dense_MACs": 4.08e7, "event_ACs": 2e3},
        },
        "neurobench": {
            "footprint": 1_089_896,
            "connection_sparsity": 0.0,
            "activation_sparsity": 0.74,
            "membrane_updates": neurons * steps,
            "synaptic_operations": {"Effective_MACs": 4.4e5, "Effective_ACs": 9.1e7, "Dense": 3.3e8},
        },
        "latency": {
            "total_steps": total,
            "first_answer": total - steps + 1,
            "between_samples": steps + silent,
            "wall": {"seconds": 61.2, "samples_per_second": 163.4},
        },
        "energy": {
            "models": {name: _model(name, task == "classification") for name in MODELS},
            "caveat": "Estimates: operations that were counted, times the energy of one. No chip was measured.",
        },
        "baselines": _baselines(samples, steps, depth, settling) if baselines and task == "classification" else {},
    }


def _compared(settling, total, steps, task):
    agreement = [v and round(v + 0.18, 4) for v in settling] if task == "classification" else None
    ratios = [None] * (total - steps) + [round(33.1 - 4 * (steps - m), 2) for m in range(1, steps + 1)]
    return {
        "elements": 10,
        "snr_db": 33.1,
        "snr_db_by_step": ratios,
        "agreement": agreement and agreement[-1],
        "agreement_by_step": agreement,
    }


def _baselines(samples, steps, depth, settling):
    return {
        "samples": samples // 10,
        "source_accuracy": 0.8103,
        "spiking_accuracy": 0.81,
        "spiking_accuracy_by_step": [v and round(v + 0.81 - settling[-1], 4) for v in settling],
        "quantised": {"bits": steps, "total_steps": steps * depth, "accuracy": 0.8098, "agreement": 0.993},
        "rate": {"accuracy_by_step": [round(0.79 * (1 - 0.95**t), 4) for t in range(1, 65)]},
    }


def _model(name, classifies):
    share = MODELS[name]
    rows = {
        "spiking": (0.8077, 84.0, 1900.0),
        "source_fp32": (0.8103, 187.7, 700.0),
        "source_int8": (None, 9.4, 107.0),
        "quantised_sparse": (0.8098, 5.1, 51.0),
        "rate": (0.774, 138.0, 5300.0),
    }
    return {
        "source": "M. Horowitz, ISSCC 2014: 45 nm",
        "constants": {"add": {"int8": 0.03, "fp32": 0.9}, "multiply": {"int8": 0.2, "fp32": 3.7}},
        "rows": [
            {
                "id": form,
                **{"quantised_sparse": {"bits": 8}, "rate": {"steps": 64}}.get(form, {}),
                "accuracy": accuracy if classifies else None,
                "compute": compute,
                "memory": memory * share if share else None,
                "total": compute + memory * share,
            }
            for form, (accuracy, compute, memory) in rows.items()
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
