"""Data as users have it: pictures in folders and zip files, arrays, digits; and what is wrong with some of it."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from canonic import DataError
from canonic.datasets import Preprocessing, collate, open_data, sample


@pytest.fixture
def folder(tmp_path):
    for index, (name, colour) in enumerate([("cat", 0), ("cat", 51), ("dog", 255)]):
        (tmp_path / "test" / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (colour, 0, 255)).save(tmp_path / "test" / name / f"{index}.png")
    (tmp_path / "test" / "readme.txt").write_text("no picture")
    return tmp_path


def test_a_folder_of_pictures(folder):
    data = open_data(str(folder))
    assert len(data) == 3
    assert [y for _, y in (data[i] for i in range(3))] == [0, 0, 1]
    x, _ = data[1]
    assert x.shape == (3, 4, 6)
    assert x[:, 0, 0].tolist() == pytest.approx([0.2, 0, 1])


def test_a_zip_file_is_the_same(folder, tmp_path):
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    zipped, plain = open_data(str(path)), open_data(str(folder / "test"))
    for index in range(3):
        assert torch.equal(zipped[index][0], plain[index][0])
        assert zipped[index][1] == plain[index][1]


def test_arrays(tmp_path):
    pictures = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    np.savez(tmp_path / "a.npz", x=pictures, y=np.array([1, 0]))
    x, y = open_data(str(tmp_path / "a.npz"))[1]
    assert y == 0
    assert torch.allclose(x, torch.from_numpy(pictures[1]).permute(2, 0, 1) / 255)
    np.savez(tmp_path / "b.npz", x=np.full((2, 7), 3.5), y=np.array([1, 0]))
    assert open_data(str(tmp_path / "b.npz"))[0][0].tolist() == [3.5] * 7
    np.savez(tmp_path / "c.npz", x=np.full((2, 5, 5), 255, np.uint8), y=np.array([1, 0]))
    assert open_data(str(tmp_path / "c.npz"))[0][0].shape == (1, 5, 5)


def test_digits_come_with_the_package():
    data = open_data("digits")
    assert len(data) == 1797
    assert data[0][0].max() == 15 / 16


def test_preprocessing_resizes_and_normalises():
    x = torch.rand(3, 8, 8)
    assert torch.equal(Preprocessing()(x), x)
    y = Preprocessing(mean=(0.5, 0.25, 0.0), std=(0.5, 0.5, 2.0), size=4)(x)
    assert y.shape == (3, 4, 4)
    assert torch.allclose(y[2].mean(), x[2].mean() / 2, atol=0.05)


def test_a_sample_is_spread_evenly_over_the_data(folder):
    data = open_data("digits")
    assert len(sample(data, None)) == len(sample(data, 5000)) == 1797
    some = sample(data, 10)
    assert len(some) == 10
    assert torch.equal(some[1][0], data[179][0])
    with pytest.raises(DataError, match="the limit must be at least 1 sample, got 0"):
        sample(data, 0)


def test_grey_pictures_have_one_channel(folder):
    x, _ = open_data(str(folder), Preprocessing(grey=True))[2]
    assert x.shape == (1, 4, 6)
    assert float(x[0, 0, 0]) == pytest.approx(0.299 + 0.114)


def test_pictures_of_different_sizes_do_not_make_a_batch():
    with pytest.raises(
        DataError, match=r"the pictures differ in size \(3x4x6, 3x5x6 ...\): give them one, with --size"
    ):
        collate([(torch.zeros(3, 4, 6), 0), (torch.zeros(3, 5, 6), 1)])


def bad_picture(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.jpg").write_bytes(b"no picture")
    return open_data(str(tmp_path))[0]


def empty_folder(tmp_path):
    return open_data(str(tmp_path))


def bad_zip(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no zip")
    return open_data(str(tmp_path / "a.zip"))


def truncated_npz(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.zeros(3, int))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[:100])
    return open_data(str(tmp_path / "a.npz"))


def pickled_npz(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object), y=np.zeros(1, int))
    return open_data(str(tmp_path / "a.npz"))


def lacking(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)))
    return open_data(str(tmp_path / "a.npz"))


def unequal(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.zeros(4, int))
    return open_data(str(tmp_path / "a.npz"))


def flat_pictures(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2), np.uint8), y=np.zeros(3, int))
    return open_data(str(tmp_path / "a.npz"))


def unknown(tmp_path):
    (tmp_path / "a.csv").write_text("1,2")
    return open_data(str(tmp_path / "a.csv"))


def missing(tmp_path):
    return open_data(str(tmp_path / "nothing"))


def wrong_mean(tmp_path):
    return open_data("digits", Preprocessing(mean=(0.1, 0.2)))[0]


def zero_std(tmp_path):
    return Preprocessing(std=(0.0,))


def zero_size(tmp_path):
    return Preprocessing(size=0)


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (
            bad_picture,
            "cannot read the picture cat/1.jpg in .*: cannot identify image file.*; replace or remove it",
        ),
        (empty_folder, "holds no pictures: expected class/picture.jpg"),
        (bad_zip, "a.zip is no zip file, or it is damaged"),
        (truncated_npz, r"a.npz is no .npz file, or it is damaged"),
        (pickled_npz, r"a.npz is no .npz file, or it is damaged .*allow_pickle"),
        (lacking, r"a.npz lacks the array y; it holds x"),
        (unequal, r"y must hold one whole number for each of the 3 samples, got int64 \(4,\)"),
        (flat_pictures, r"pictures must be uint8 \[samples, height, width\(, channels\)\], got \(3, 2\)"),
        (unknown, "a.csv is of no known kind: give a folder, a .zip, an .npz file, or the word digits"),
        (missing, "there is no data .*nothing'"),
        (wrong_mean, "mean has 2 values, the samples have 1 channels"),
        (zero_std, "std must be positive"),
        (zero_size, "size must be at least 1 pixel, got 0"),
    ],
)
def test_data_that_cannot_be_used(attempt, message, tmp_path):
    with pytest.raises(DataError, match=message):
        attempt(tmp_path)
