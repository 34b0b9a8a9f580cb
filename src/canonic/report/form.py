"""What an evaluation must hold for a report to be made of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from canonic.errors import DataError
from canonic.measure.comparison import TEXTS
from canonic.measure.summary import FORMAT
from canonic.words import counted

NUMBER = (float, int)
STEPS = [(*NUMBER, None)]
PAIR = {"source": (*NUMBER, None), "network": NUMBER}
ACCURACY = {
    **PAIR,
    "source_interval": ([NUMBER], None),
    "interval": [NUMBER],
    "by_step": STEPS,
    "agreement_by_step": (STEPS, None),
    "agreement": (*NUMBER, None),
    "top5": PAIR,
    "flips": ({"lost": int, "won": int, "p": (*NUMBER, None)}, None),
}
LAYER = {
    "positive": [NUMBER],
    "negative": [NUMBER],
    **dict.fromkeys(("neurons", "silent_neurons", "overload_rate"), NUMBER),
}
MADE = dict.fromkeys(("ACs", "MACs", "dense_ACs", "dense_MACs", "event_ACs"), NUMBER)
COSTS = {"accuracy": (*NUMBER, None), "compute": NUMBER, "memory": (*NUMBER, None), "total": NUMBER}
ROW = tuple(
    {"id": name, **COSTS, **{size: int for size in ("bits", "steps") if f"{{{size}}}" in text}}
    for name, text in TEXTS.items()
)
BASELINES = {
    **dict.fromkeys(("samples", "source_accuracy", "spiking_accuracy"), NUMBER),
    "spiking_accuracy_by_step": STEPS,
    "quantised": {"bits": int, "total_steps": int, "accuracy": NUMBER},
    "rate": {"accuracy_by_step": [NUMBER]},
}
OUTPUT = {"agreement": (*NUMBER, None), "snr_db": (*NUMBER, None), "snr_db_by_step": (STEPS, None), "first_answer": int}
FORM = {
    "network": {
        **dict.fromkeys(("fingerprint", "precision"), str),
        **dict.fromkeys(("T", "event_bits", "depth", "total_steps", "populations", "neurons", "weights"), int),
        "k": (int, [int]),
        "levels": (int, [int]),
        "codes": [str],
    },
    "data": {"samples": int, "sha256": str, "calibrated": int, "complete": bool, "gap": str},
    "task": str,
    "output": str,
    "outputs": {...: OUTPUT},
    "accuracy": (ACCURACY, None),
    "error": {
        "mse": (*NUMBER, None),
        "source_mse": (*NUMBER, None),
        "snr_db": (*NUMBER, None),
        "snr_db_by_step": (STEPS, None),
    },
    "spikes": {"per_neuron": NUMBER, "units_per_neuron": NUMBER, "silent_neurons": NUMBER, "layers": {...: LAYER}},
    "operations": {
        "spiking": {**MADE, "membrane_updates": NUMBER, "other_updates": NUMBER},
        "layers": {...: MADE},
        "source": (MADE, None),
    },
    "latency": {"first_answer": int, "between_samples": int, "wall": {"samples_per_second": (*NUMBER, None)}},
    "energy": {
        "models": {...: {"source": str, "constants": {...: (*NUMBER, {...: NUMBER})}, "rows": [ROW]}},
        "caveat": str,
    },
    "baselines": {},
}
"""The names and kinds that the sections read: ``...`` is any name, a list holds one kind, a tuple is one of some."""


def require_form(evaluation: Mapping[str, Any], name: str = "the evaluation", remedy: str = "") -> None:
    """Raise unless an evaluation holds all that a report reads.

    Args:
        evaluation: to look through; what a report does not read may be there too.
        name: of it, for the error.
        remedy: what to do about it.

    Raises:
        DataError: says what is missing, or of another kind.
    """
    remedy = remedy or "make it again with this version, canonic evaluate --json"
    if evaluation.get("format") != FORMAT:
        raise DataError(f"{name} is of the format {evaluation.get('format')!r}, the report reads {FORMAT!r}: {remedy}")
    form = FORM | ({"baselines": BASELINES} if evaluation.get("baselines") else {})
    found = list(faults(evaluation, form)) or _output_missing(evaluation)
    if found:
        more = f" and {counted(len(found) - 3, 'other')}" if len(found) > 3 else ""
        raise DataError(f"{name} is not a whole evaluation ({', '.join(found[:3])}{more}): {remedy}")


def _output_missing(evaluation: Mapping[str, Any]) -> list[str]:
    name = evaluation["output"]
    return [] if name in evaluation["outputs"] else [f"outputs: {name} is missing"]


def faults(value: object, form: Any, path: str = "") -> Iterator[str]:
    """Yield what of a form is missing or of another kind.

    >>> list(faults({"a": 1, "b": {"c": "1"}, "d": None}, {"a": int, "b": {"c": int}, "d": (int, None), "e": str}))
    ['b: c is of another kind', 'e is missing']
    """
    if isinstance(form, tuple):
        if all(any(faults(value, kind, path)) for kind in form):
            closest = next((kind for kind in form if isinstance(kind, dict) and isinstance(value, Mapping)), form[0])
            yield from faults(value, closest, path)
    elif isinstance(form, dict) and isinstance(value, Mapping):
        yield from _inside(value, form, path)
    elif isinstance(form, list) and isinstance(value, list | tuple):
        for index, item in enumerate(value, 1):
            yield from faults(item, form[0], f"{path} {index}")
    elif not (isinstance(value, form) if isinstance(form, type) else value == form):
        yield f"{path} is of another kind"


def _inside(value: Mapping[str, Any], form: Mapping[Any, Any], path: str) -> Iterator[str]:
    for key, kind in form.items():
        for name in value if key is ... else (key,):
            inner = f"{path}: {name}" if path else str(name)
            yield from faults(value[name], kind, inner) if name in value else (f"{inner} is missing",)
