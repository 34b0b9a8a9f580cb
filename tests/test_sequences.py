"""Data in time and data in parts: sequences, events, sound, sheets; made by hand, and those that others published."""

import zipfile
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from canonic.datasets import Preprocessing, open_data
from canonic.datasets.parts import train_and_test
from canonic.datasets.sound import mel, spectrum
from canonic.errors import DataError
from tests.pages import ROOT

SHARED = ROOT.parent / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.exists(), reason="the data are not here: ../shared/data")


def saved(folder, **arrays):
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return str(path)


def test_sequences_keep_their_type_and_steps_without_a_label_say_so(tmp_path):
    x, y = np.array([[[1, 0], [-1, 1], [0, 0]]] * 2, np.int8), np.array([[0, 1, 255], [255, 1, 1]], np.uint8)
    data = open_data(saved(tmp_path, x=x, y=y))
    sample, labels = data[0]
    assert sample.dtype == torch.int8
    assert torch.equal(sample, torch.tensor(x[0]))
    assert labels.tolist() == [0, 1, -100]
    assert "255 in y is no label" in " ".join(data.notes)
    other = open_data(saved(tmp_path, x=x, y=y.astype(np.int64), no_label=np.array(1)))
    assert other[1][1].tolist() == [255, -100, -100]


def test_parts_are_those_of_a_file_or_drawn_by_class(tmp_path):
    both = saved(
        tmp_path, train_x=np.zeros((3, 2, 1), np.float32), train_y=[0, 1, 0], test_x=np.ones((1, 2, 1)), test_y=[1]
    )
    assert (len(open_data(both + ":train")), len(open_data(both + ":test"))) == (3, 1)
    with pytest.raises(DataError, match="holds the parts train and test: name one, as .*data.npz:test"):
        open_data(both)
    drawn = saved(tmp_path, x=np.arange(16, dtype=np.float32)[:, None], y=np.arange(16) % 2)
    train, test = (open_data(name) for name in train_and_test(drawn))
    assert (len(train), len(test)) == (12, 4)
    assert sorted(float(x) for part in (train, test) for x, _ in part) == list(range(16))
    assert [y for _, y in test].count(0) == 2
    assert "4 of 16 samples are its part test, always the same" in " ".join(test.notes)


def recording(**changes):
    return {
        "x": np.array([0, 1, 2, 0], np.uint8),
        "y": np.array([0, 0, 1, 1], np.uint8),
        "p": np.array([1, 0, 1, 1], np.uint8),
        "t": np.array([5, 9, 14, 3]),
        "offset": np.array([0, 3, 4]),
        "label": np.array([7, 2]),
    } | changes


def test_events_are_counted_in_frames_of_one_length(tmp_path):
    data = open_data(saved(tmp_path, **recording()))
    frames, label = data[0]
    assert (len(data), frames.shape, label) == (2, (10, 2, 2, 3), 7)
    assert frames.nonzero().tolist() == [[0, 1, 0, 0], [4, 0, 0, 1], [9, 1, 1, 2]]
    assert data[1][0].sum() == 1
    since = recording(dt=np.array([5, 4, 5, 3], np.uint16))
    del since["t"]
    assert torch.equal(open_data(saved(tmp_path, **since))[0][0], frames)


def test_each_frame_is_prepared_as_a_picture_is(tmp_path):
    name = saved(tmp_path, **recording())
    assert open_data(name, Preprocessing(frames=3))[0][0].shape == (3, 2, 2, 3)
    assert open_data(name, Preprocessing(size=4))[0][0].shape == (10, 2, 4, 4)
    frames, small = (open_data(name, how)[0][0] for how in (None, Preprocessing((0.0, 1.0), (1.0, 2.0))))
    torch.testing.assert_close(
        small, (frames - torch.tensor([0.0, 1.0]).view(2, 1, 1)) / torch.tensor([1.0, 2.0]).view(2, 1, 1)
    )


def test_a_folder_that_holds_one_file_of_arrays_is_that_file(tmp_path):
    name = saved(tmp_path, x=np.zeros((8, 3), np.float32), y=np.arange(8) % 2)
    assert len(open_data(str(tmp_path))) == len(open_data(name)) == 8
    assert [len(open_data(part)) for part in train_and_test(str(tmp_path))] == [6, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t": np.array([5, 4, 14, 3])}, "the times of recording 0 are not sorted, t goes back at event 1: sort its"),
        ({"x": np.array([0, 1, 2], np.uint8)}, "is truncated: of its events it holds 3 of x, 4 of y"),
        ({"offset": np.array([0, 3, 5])}, "is truncated: offset must say where each recording begins"),
        ({"p": np.array([1, -1, 1, 1], np.int8)}, r"p of event 1 is -1, not in 0 .. 1: write \(p == p.max\(\)\) for p"),
        ({"size": np.array([2, 2])}, "x of event 2 is 2, not in 0 .. 1: count from 0, or give size"),
        ({"label": np.array([1, 2, 3])}, "it holds 2 samples, label 3"),
        ({"x": np.array([0.0, 1, 2, 0])}, "x of its events must be whole numbers in a row, got float64"),
    ],
)
def test_events_that_are_none_are_refused(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        open_data(saved(tmp_path, **recording(**changes)))


def test_sound_becomes_the_loudness_of_bands(tmp_path):
    t = np.arange(4000) / 8000
    audio = (20000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16)
    path = saved(
        tmp_path, audio=np.tile(audio, 4), offset=np.arange(5) * 4000, label=[0, 1, 0, 1], speaker=[1, 4, 1, 4]
    )
    x, y = open_data(path)[0]
    assert (x.shape, x.dtype, y) == (torch.Size([49, 40]), torch.float32, 0)
    loudest = int(x[:24].mean(0).argmax())
    low, high = (np.flatnonzero(mel(8000)[:, loudest] > 0)[i] * 8000 / 320 for i in (0, -1))
    assert low - 25 <= 1000 <= high + 25  # one frequency of the spectrum
    assert x[30:].max() == 0  # silence after half a second
    assert [label for _, label in open_data(path + ":test")] == [1, 1]  # every fourth speaker
    assert spectrum(np.zeros(10), 8000, mel(8000)).max() == 0
    with pytest.raises(DataError, match="is truncated: offset must rise from 0 to the 16000 samples of audio"):
        open_data(saved(tmp_path, audio=np.tile(audio, 4), offset=np.array([0, 4000])))
    with pytest.raises(DataError, match="audio must be one row"):
        open_data(saved(tmp_path, audio=np.zeros((2, 3), np.int16), offset=np.array([0, 6])))


def spoken(**changes):
    return {"audio": np.zeros(40, np.int16), "offset": np.arange(5) * 10, "label": np.arange(4) % 2} | changes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (spoken(rate=np.array(0)), "rate must be samples of a second, at least 2000, got 0"),
        (spoken(rate=np.array([8000, 1])), r"rate must be samples of a second, at least 2000, got \[8000, 1\]"),
        (spoken(audio=np.full(40, np.nan)), r"audio holds NaN or infinity: clean the data first \(numpy.isfinite"),
        (spoken(offset=np.arange(5) * 10.0), r"offset must be whole numbers in a row, got float64 \(5,\)"),
        (spoken(speaker=np.array([1])), r"speaker must be a whole number for each of 4 recordings, got int64 \(1,\)"),
        (spoken(index=np.zeros(4)), r"index must be a whole number for each of 4 recordings, got float64 \(4,\)"),
        (
            spoken(index=np.array([7, 8, 9, 7])),
            "of 4 samples none is drawn for the part test, which takes 4 of a class",
        ),
        ({"x": np.zeros((2, 3)), "y": np.arange(2)}, "of 2 samples none is drawn for the part test.* as train_x, trai"),
        (
            {"x": np.zeros((4, 3, 1)), "y": np.zeros((4, 3), int), "no_label": np.array([8, 9])},
            r"no_label must be one whole number, which is no label, got \[8, 9\]",
        ),
        (
            {"x": np.zeros((4, 3)), "y": np.arange(4), "classes": np.array(["a", "b"])},
            "y holds the class 2, but classes names 2, numbered from 0",
        ),
    ],
)
def test_sound_and_sequences_that_are_none_are_refused(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        open_data(saved(tmp_path, **arrays) + ":test")


def test_the_advice_about_parts_is_right(tmp_path):
    x, y = np.zeros((2, 3)), np.arange(2)
    assert len(open_data(saved(tmp_path, train_x=x, train_y=y, test_x=x, test_y=y) + ":test")) == 2


def test_sheets_are_cut_into_their_pictures(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (6, 4, 4, 3), dtype=np.uint8)
    sheet = pictures.reshape(2, 3, 4, 4, 3).transpose(0, 2, 1, 3, 4).reshape(8, 12, 3)
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        stream = BytesIO()
        Image.fromarray(sheet).save(stream, "PNG")
        archive.writestr("train_00.png", stream.getvalue())
    np.savez(tmp_path / "labels.npz", train=np.arange(6, dtype=np.uint8), test=np.arange(2, dtype=np.uint8))
    data = open_data(f"{tmp_path}:train")
    x, y = data[4]
    assert y == 4
    torch.testing.assert_close(x, torch.tensor(pictures[4]).permute(2, 0, 1) / 255)
    with pytest.raises(DataError, match="must hold sheets test_NN of one size, it holds 0"):
        open_data(f"{tmp_path}:test")
    np.savez(tmp_path / "labels.npz", train=np.arange(5, dtype=np.uint8))
    with pytest.raises(DataError, match="cannot be cut into 5 square pictures"):
        open_data(f"{tmp_path}:train")


@shared
@pytest.mark.parametrize(
    ("name", "count", "shape", "kind"),
    [
        ("ecg-qtdb:test", 141, (1301, 4), torch.int8),
        ("nmnist-small/nmnist-small.npz:test", 100, (10, 2, 34, 34), torch.float32),
        ("speech-commands-test/gsc-test-v0.02-logmel.npz", 4890, (49, 40), torch.float32),
        ("mnist:test", 10_000, (1, 28, 28), torch.float32),
        ("cifar10-lossless:test", 1000, (3, 32, 32), torch.float32),
    ],
)
def test_published_data_open_by_their_names(name, count, shape, kind):
    data = open_data(str(SHARED / name))
    x = data[0][0]
    assert (len(data), tuple(x.shape), x.dtype) == (count, shape, kind)
