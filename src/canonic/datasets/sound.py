"""Recordings of sound, as spoken words: their spectra, a step each, loudness as the ear hears it."""

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float, Float32, Float64
from numpy.typing import NDArray

from canonic.datasets.arrays import Array, Arrays
from canonic.datasets.data import Preprocessing
from canonic.datasets.filelabels import labels_in_file
from canonic.datasets.labels import Labels
from canonic.datasets.parts import chosen, drawn_part, said_of_part
from canonic.errors import DataError

Whole = NDArray[np.integer[Any]]

LABELS = ("digit", "label", "labels")
"""Names of the array of labels."""

ADVICE = "add the array label to it, whole numbers [recordings] as classes"

WINDOW, HOP, BANDS, LOWEST = 0.04, 0.02, 40, 20.0
"""Seconds of a spectrum and from one to the next; bands, and where the lowest begins, in Hz."""

RATE = 8000
"""Samples of a second, where a file does not say ``rate``: of spoken digits."""

LOWEST_RATE = 2000
"""In Hz: below, some of the bands lie between two frequencies of a window."""

TESTED = 5
"""Recordings of a speaker and digit whose ``index`` is below are for the test, as is usual for spoken digits."""

QUIETEST, RANGE = -110.0, 127.5
"""Decibels that are 0, and how many more are 1: so that bytes are half decibels."""


def is_of_sound(arrays: Mapping[str, Array]) -> bool:
    """Tell whether arrays are recordings of sound, or their spectra."""
    return "logmel" in arrays or arrays.keys() >= {"audio", "offset"}


def sound_in(path: Path, arrays: Mapping[str, Array], part: str, prepare: Preprocessing) -> Arrays:
    """Return sequences ``[time, bands]`` in [0, 1], float32: 0 is -110 dB and 1 is 17.5 dB.

    Args:
        path: of the file, for errors.
        arrays: ``logmel``, uint8 ``[recordings, time, bands]``; or ``audio``, whole numbers or floating point in
            [-1, 1], one recording after the other, and ``offset`` ``[recordings + 1]``, where they begin and the last
            ends, with ``rate`` in Hz: one second of each is taken, silence following if it is shorter.
            ``label`` (or ``digit``) is the class, ``speaker`` a number: in a part that is drawn, none is in both.
        part: of the recordings that is meant.
        prepare: applied to each.

    Raises:
        DataError: if they are no recordings.
    """
    x = _spectra(path, arrays)
    label = next((name for name in LABELS if name in arrays), "")
    labels, notes = labels_in_file(path, label, arrays, len(x)) if label else (Labels(advice=ADVICE), [])
    places = _places(path, arrays, labels, part, len(x))
    notes += [said_of_part(path, part, len(places), len(x))] if part else []
    return Arrays([x[places]], labels.at(places), prepare, notes)


def _places(path: Path, arrays: Mapping[str, Array], labels: Labels, part: str, count: int) -> NDArray[np.intp]:
    index, speaker = (_numbered(path, arrays, name, count) for name in ("index", "speaker"))
    if part and index is not None:
        return chosen(part, index < TESTED)
    return drawn_part(part, labels.classes or np.zeros(count), speaker)


def _numbered(path: Path, arrays: Mapping[str, Array], name: str, count: int) -> Whole | None:
    """Return what numbers the recordings by speaker, or those of one; None if the file does not."""
    numbers = arrays.get(name)
    if numbers is not None and (numbers.shape != (count,) or numbers.dtype.kind not in "iu"):
        raise DataError(
            f"{path}: {name} must be a whole number for each of {count} recordings, got {numbers.dtype} {numbers.shape}"
        )
    return cast("Whole | None", numbers)


def _spectra(path: Path, arrays: Mapping[str, Array]) -> Float32[np.ndarray, "recordings time bands"]:
    if "logmel" in arrays:
        logmel = arrays["logmel"]
        if logmel.dtype != np.uint8 or logmel.ndim != 3:
            raise DataError(
                f"{path}: logmel must be half decibels from {QUIETEST:g} dB, uint8 [recordings, time, bands], got "
                f"{logmel.dtype} {logmel.shape}"
            )
        bytes_in_one = np.float32(255)
        return logmel.astype(np.float32) / bytes_in_one
    audio, offset, rate = arrays["audio"], arrays["offset"], _rate(path, arrays)
    _require_audio(path, audio, offset)
    scale = 1.0 if audio.dtype.kind == "f" else 1.0 / (1 << (8 * audio.dtype.itemsize - 1))
    bands = mel(rate)
    parts = (audio[begin : min(end, begin + rate)] for begin, end in pairwise(offset))
    return np.stack([spectrum(one.astype(np.float64) * scale, rate, bands) for one in parts])


def _rate(path: Path, arrays: Mapping[str, Array]) -> int:
    """Return the samples of a second."""
    said = arrays.get("rate", np.array(RATE))
    if said.size != 1 or said.dtype.kind not in "iu" or said.item() < LOWEST_RATE:
        raise DataError(f"{path}: rate must be samples of a second, at least {LOWEST_RATE}, got {said.tolist()!r}")
    return int(said.item())


def _require_audio(path: Path, audio: Array, offset: Array) -> None:
    if audio.ndim != 1 or audio.dtype.kind not in "if":
        raise DataError(
            f"{path}: audio must be one row of signed whole numbers or floating point, got {audio.dtype} {audio.shape}"
        )
    if not np.isfinite(audio).all():
        raise DataError(f"{path}: audio holds NaN or infinity: clean the data first (numpy.isfinite finds them)")
    if offset.ndim != 1 or offset.dtype.kind not in "iu" or len(offset) < 2:
        raise DataError(f"{path}: offset must be whole numbers in a row, got {offset.dtype} {offset.shape}")
    whole = cast("Whole", offset)
    if whole[0] != 0 or whole[-1] != len(audio) or (whole[1:] < whole[:-1]).any():
        raise DataError(
            f"{path} is truncated: offset must rise from 0 to the {len(audio)} samples of audio, it ends with "
            f"{offset[-1:].tolist()}"
        )


def spectrum(
    sound: Float[np.ndarray, "samples"], rate: int, bands: Float[np.ndarray, "frequencies bands"]
) -> Float32[np.ndarray, "time bands"]:
    """Return the loudness of one second of sound in each band, 0 for -110 dB and 1 for 17.5 dB."""
    window, hop = int(WINDOW * rate), int(HOP * rate)
    padded = np.zeros(rate)
    padded[: len(sound)] = sound
    windows = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * np.hanning(window)
    power = np.abs(np.fft.rfft(windows)) ** 2 @ bands
    decibels = 10 * np.log10(np.maximum(power, 10 ** (QUIETEST / 10)))
    loudness: NDArray[np.float32] = ((decibels - QUIETEST) / RANGE).clip(0, 1).astype(np.float32)
    return loudness


def mel(rate: int) -> Float64[np.ndarray, "frequencies bands"]:
    """Return triangles that stand evenly on the mel scale, ``2595 log10(1 + f / 700)`` (O'Shaughnessy, 1987)."""
    low_end, high_end = (2595 * math.log10(1 + f / 700) for f in (LOWEST, 0.95 * rate / 2))
    corners = 700 * (10 ** (np.linspace(low_end, high_end, BANDS + 2) / 2595) - 1)
    f = np.fft.rfftfreq(int(WINDOW * rate), 1 / rate)[:, None]
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    bands: NDArray[np.float64] = np.minimum((f - low) / (middle - low), (high - f) / (high - middle)).clip(0)
    return bands
