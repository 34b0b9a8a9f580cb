"""The options that several commands share, and the checks of their values."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from canonic.codes import CSS, Weighted
    from canonic.datasets import Preprocessing
    from canonic.learn.zoo.trial import ZooTrial
    from canonic.measure.energy import Model as EnergyModel
    from canonic.network import SpikingNetwork

Model = Annotated[str, typer.Argument(help="file.pt2, or package.module:function that returns the network.")]
NETWORK = "File that canonic convert, canonic train or canonic export --to nir wrote."
Weights = Annotated[Path | None, typer.Option(help="State dict of the network: .safetensors or .pt.")]
DataName = Annotated[
    str,
    typer.Option(
        help="Folder of class/picture.jpg, .zip of it, .npz of x (and y), images-idx3-ubyte.gz, or digits:train/:test."
    ),
]
Classes = Annotated[
    str,
    typer.Option(help="Names of the outputs in their order, as cat,dog, or a file of one a line; else those known."),
]
Limit = Annotated[int | None, typer.Option(help="Use at most this many samples, evenly spaced.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Samples at once.")]
AtOnce = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, help="Samples at once: 100, or of a network that draws those of its training."),
]
Baselines = Annotated[
    int, typer.Option(min=0, help="Measure a quantised network and a rate code too, on about so many samples.")
]
ENERGY = "horowitz45 (arithmetic), traffic45 (memory too), tiled45 (membranes at the adders)"
Energy = Annotated[str, typer.Option(help=f"Models of the energy, with commas between: {ENERGY}; all if left out.")]
Output = Annotated[
    str | None,
    typer.Option(help="Of a network with several outputs, the one that labels are of, as logits or boxes.0."),
]
Mean = Annotated[str, typer.Option(help="Mean of each channel, as .485,.456,.406.")]
Std = Annotated[str, typer.Option(help="Standard deviation of each channel, likewise.")]
Size = Annotated[int | None, typer.Option(min=1, help="Height and width of the pictures in pixels.")]
Frames = Annotated[
    int | None, typer.Option(min=1, help="Steps of one length that a recording of events is cut into; 10 if not given.")
]
Grey = Annotated[bool, typer.Option("--grey", help="Pictures have one channel for the network, not three.")]
InputCode = Annotated[str, typer.Option("--input", help="direct (analog, first step), css (spikes), or a code.")]
_CODE = typer.Option(help="css, as -T, -k and so on say, or a code with its parameters, as rate:32: canonic codes.")
_STEPS = typer.Option("--steps", "-T", help="Digits of the code, 1 to 24; 8 if not given.")
Code = Annotated[str, _CODE]
CodeOrGoal = Annotated[str | None, _CODE]
Steps = Annotated[int, _STEPS]
StepsOrGoal = Annotated[int | None, _STEPS]
Silent = Annotated[int, typer.Option("--silent", "-k", help="Silent steps of every population, 0 to T.")]
SilentOrAuto = Annotated[
    str | None,
    typer.Option("--silent", "-k", help="Silent steps of every population, 0 to T; 1, or auto: as few as each needs."),
]
Beta = Annotated[
    float | None, typer.Option(help="Amplification at every step, the radix: between 1 and 2 L + 1; 2 if not given.")
]
Levels = Annotated[
    str | None,
    typer.Option("--levels", "-L", help="Largest digit: 1 is ternary, with some -k 0 is enough; or auto."),
]
Phi = Annotated[float | None, typer.Option(help="Fraction of the threshold at which a neuron fires; 0.5 if not given.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@contextmanager
def usage() -> Iterator[None]:
    """Turn a value that the library rejects into an error of usage (exit code 2)."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def numbers(text: str) -> tuple[float, ...]:
    """Return the numbers in a list such as ".485,.456,.406"."""
    with usage():
        return tuple(float(part) for part in text.split(",") if part.strip())


def energy_models(text: str) -> "tuple[EnergyModel, ...]":
    """Return the models of energy in a list such as "traffic45,tiled45"; all if it is empty."""
    from canonic.measure.energy import MODELS, require_models

    with usage():
        return require_models([part.strip() for part in text.split(",") if part.strip()] or MODELS)


def energy_model(text: str) -> "EnergyModel":
    """Return the model of energy of this name."""
    from canonic.measure.energy import require_models

    with usage():
        return require_models([text])[0]


def sizes(text: str) -> tuple[int, ...]:
    """Return the sizes in a list such as "3,32,32"."""
    parts = text.split(",")
    if not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise typer.BadParameter(f"--shape must be sizes such as 3,32,32, without the batch, got {text!r}")
    return tuple(int(part) for part in parts)


def preprocessing(mean: str, std: str, size: int | None, grey: bool, frames: int | None = None) -> "Preprocessing":
    """Return the preprocessing that the options name."""
    from canonic.datasets import Preprocessing

    with usage():
        return Preprocessing(numbers(mean), numbers(std), size, grey, frames)


def remembered(snn: "SpikingNetwork | ZooTrial", mean: str, std: str, size: int | None, grey: bool) -> "Preprocessing":
    """Return the preprocessing that a network was calibrated with, but for what the options say."""
    from canonic.datasets import Preprocessing

    given = asdict(preprocessing(mean, std, size, grey))
    return Preprocessing(**{**snn.record.get("preprocessing", {}), **{k: v for k, v in given.items() if v}})


def at_once(snn: "SpikingNetwork | ZooTrial", asked: int | None) -> int:
    """Return how many samples are measured at once: a sample draws by its place among them."""
    plan, kept = getattr(snn, "plan", None), snn.record.get("row") or {}
    draws = plan is not None and plan.seed is not None and "recipe" in kept
    return asked or (int(kept["recipe"]["batch"]) if draws else 100)


def require_writable(out: Path) -> None:
    """Raise an error of usage unless a file can be made there, before the work begins."""
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"--out must be a file in a folder that exists, got {out}")


def silent_steps(text: str) -> "tuple[int, Literal['auto'] | None]":
    """Return the silent steps of the code and those of the settings, from a number or "auto"."""
    return number_or_auto("silent", text, 1)


def levels_of(text: str, beta: float) -> "tuple[int, Literal['auto'] | None]":
    """Return the levels of the code, as many as beta needs, and those of the settings, from a number or "auto"."""
    from canonic.codes import fewest_levels

    return number_or_auto("levels", text, fewest_levels(beta))


def number_or_auto(name: str, text: str, least: int) -> "tuple[int, Literal['auto'] | None]":
    """Return a number and nothing, or the least and "auto" if that is what is given."""
    if text == "auto":
        return least, "auto"
    if not text.isdigit():
        raise typer.BadParameter(f"--{name} must be a whole number or auto, got {text!r}")
    return int(text), None


def code_named(text: str, member: "CSS") -> "Weighted":
    """Return the code that a text names: CSS as its options say, or another.

    Raises:
        BadParameter: if there is no such code, or options of CSS are given with another.
    """
    from canonic.codes import CSS, code_of

    if text.strip() == CSS.name:
        return member
    with usage():
        code = code_of(text)
    if member != CSS():
        raise typer.BadParameter(
            f"-T, -k, --beta, --phi and -L are parameters of css without any: with --code {text} they stand behind the "
            f"colon, as {code.name}:{code.steps}"
        )
    return code


def css(steps: int, silent: int, beta: float, phi: float, levels: int = 1) -> "CSS":
    """Return the member of the family of CSS that the options name."""
    from canonic.codes import CSS

    with usage():
        return CSS(steps, silent, beta, phi, levels)
