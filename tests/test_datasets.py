"""Data as users have it: pictures in folders and zip files, arrays, IDX files, digits; and what is wrong with some."""

import gzip
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from canonic import DataError
from canonic.datasets import Preprocessing, collate, labels_of, open_data, sample, unlabelled, with_classes


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


def written(root, **counts):
    """Pictures of classes by name, each of one shade of grey that is its place in the alphabet."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for index in range(count):
            shade = 60 * "abcd".index(name) + index
            Image.new("RGB", (4, 4), (shade, shade, shade)).save(root / name / f"{index}.png")


def test_a_folder_of_classes_without_parts_has_a_fourth_of_each_for_the_test(tmp_path):
    written(tmp_path, a=8, b=5, c=3)
    every, known, unseen = (open_data(f"{tmp_path}{part}") for part in ("", ":train", ":test"))
    shades = [
        [(round(255 * float(x[0, 0, 0])), y) for x, y in map(part.__getitem__, range(len(part)))]
        for part in (known, unseen)
    ]
    assert shades[1] == [(3, 0), (7, 0), (63, 1)]
    assert sorted(shades[0] + shades[1]) == [
        (round(255 * float(x[0, 0, 0])), y) for x, y in map(every.__getitem__, range(16))
    ]
    assert labels_of(unseen).names == labels_of(known).names == ("a", "b", "c")
    assert unseen.notes == (f"{tmp_path} has no parts: 3 of 16 samples are its part test, always the same",)
    written(tmp_path / "train", a=1)
    with pytest.raises(DataError, match="has no part test: put its pictures into the folder .*test, by class"):
        open_data(f"{tmp_path}:test")


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


def in_file(tmp_path, **arrays):
    np.savez(tmp_path / "some.npz", **arrays)
    return open_data(str(tmp_path / "some.npz"))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (1, 4, 9), (3, 1, 8), (3, 3, 8)])
def test_pictures_with_their_channels_first(tmp_path, shape):
    pictures = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    assert torch.equal(in_file(tmp_path, x=pictures)[2][0], torch.from_numpy(pictures[2]) / 255)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3), (3, 8, 3), (1, 8, 1), (3, 3, 1), (4, 8, 8)])
def test_other_pictures_have_their_channels_last(tmp_path, shape):
    pictures = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    assert torch.equal(in_file(tmp_path, x=pictures)[2][0], torch.from_numpy(pictures[2]).permute(2, 0, 1) / 255)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3, 4)])
def test_targets_of_a_regression_make_a_batch_of_floating_point(tmp_path, shape, dtype):
    y = np.random.default_rng(0).standard_normal((5, *shape)).astype(dtype)
    data = in_file(tmp_path, x=np.zeros((5, 6)), y=y)
    x, targets = collate([data[index] for index in range(5)])
    assert x.shape == (5, 6)
    assert torch.equal(targets, torch.from_numpy(y).float())
    assert unlabelled(data, "some.npz") == []


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_classes_make_a_batch_of_whole_numbers(tmp_path, dtype):
    data = in_file(tmp_path, x=np.zeros((3, 6)), y=np.array([2, 0, 2], dtype))
    assert labels_of(data).names == ()
    _, classes = collate([data[index] for index in range(3)])
    assert classes.dtype == torch.int64
    assert classes.tolist() == [2, 0, 2]


def test_data_without_labels(tmp_path):
    data = in_file(tmp_path, x=np.arange(6.0).reshape(3, 2))
    (x,) = collate([data[0], data[2]])
    assert x.tolist() == [[0, 1], [4, 5]]
    (said,) = unlabelled(data, "some.npz")
    assert said.startswith("some.npz holds no labels: add the array y to it, whole numbers or names")
    assert unlabelled(in_file(tmp_path, x=np.zeros((0, 2))), "some.npz") == []  # that is said elsewhere


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.bool_])
def test_whole_numbers_and_conditions_keep_their_type(tmp_path, dtype):
    ids = np.random.default_rng(0).integers(0, 2, (4, 6)).astype(dtype)
    (x,) = in_file(tmp_path, x=ids)[1]
    assert torch.equal(x, torch.from_numpy(ids[1]))


def test_several_inputs_in_their_order_or_by_name(tmp_path):
    ids, mask = np.arange(6).reshape(2, 3), np.ones((2, 3), bool)
    data = in_file(tmp_path, x=ids, x2=mask, y=np.array([4, 5]))
    ids_given, mask_given, classes = collate([data[0], data[1]])
    assert torch.equal(ids_given, torch.from_numpy(ids))
    assert mask_given.dtype == torch.bool
    assert classes.tolist() == [4, 5]
    named, classes = collate([in_file(tmp_path, attention_mask=mask, input_ids=ids, labels=np.array([4, 5]))[1]])
    assert torch.equal(named["input_ids"], torch.from_numpy(ids[1:]))
    assert list(named) == ["attention_mask", "input_ids"]
    assert classes.tolist() == [5]


def test_arrays_that_the_network_does_not_take_are_left_out_and_said(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), number=np.arange(2))
    data = open_data(str(tmp_path / "a.npz"), inputs=["input"])
    assert len(data[0]) == 1
    assert data.notes == (f"{tmp_path / 'a.npz'} also holds number, which the network is not given",)
    given = open_data(str(tmp_path / "a.npz"), inputs=["x", "number"])[1][0]
    assert given["number"] == 1
    np.savez(tmp_path / "b.npz", images=np.zeros((2, 3)), y=np.arange(2))
    assert open_data(str(tmp_path / "b.npz"), inputs=["input"])[0][0].shape == (3,)  # there is but one


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_])
def test_one_hot_labels_are_classes(tmp_path, dtype):
    data = in_file(tmp_path, x=np.zeros((3, 6)), y=np.eye(4)[[2, 0, 3]].astype(dtype))
    assert [data[index][1] for index in range(3)] == [2, 0, 3]
    assert data.notes == (f"y of {tmp_path / 'some.npz'} is one-hot [3, 4]: taken as classes",)
    targets = in_file(tmp_path, x=np.zeros((2, 6)), y=np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert targets[1][1].tolist() == [1, 1]


def test_other_labels(tmp_path):
    column = in_file(tmp_path, x=np.zeros((3, 6)), y=np.array([[2], [0], [2]]))
    assert column[0][1] == 2
    assert "is a column [3, 1]: taken as classes" in column.notes[0]
    words = in_file(tmp_path, x=np.zeros((3, 6)), y=np.array(["dog", "cat", "dog"]))
    assert [words[index][1] for index in range(3)] == [1, 0, 1]
    maps = np.random.default_rng(0).integers(0, 3, (2, 4, 5))
    _, y = collate([in_file(tmp_path, x=np.zeros((2, 1, 4, 5)), y=maps)[index] for index in range(2)])
    assert torch.equal(y, torch.from_numpy(maps))


def test_only_pictures_and_floating_point_are_preprocessed(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.full((2, 4, 4), 255, np.uint8), x2=np.arange(2)[:, None])
    picture, number = open_data(str(tmp_path / "a.npz"), Preprocessing(mean=(0.5,), std=(0.5,)))[1]
    assert picture.unique().tolist() == [1]
    assert number.tolist() == [1]


def test_pictures_of_sixteen_bits(tmp_path):
    pixels = np.array([[0, 255], [256, 2**16 - 1]], np.uint16)
    Image.fromarray(pixels).save(tmp_path / "1.png")
    (x,) = open_data(str(tmp_path))[0]
    assert torch.equal(x, torch.from_numpy(pixels.astype(np.float32)).expand(3, 2, 2) / 65535)


def test_pictures_side_by_side_have_no_labels(tmp_path):
    data = pictures_at(tmp_path, "1.png", "2.png")
    assert len(data[0]) == 1
    (said,) = unlabelled(data, "flat")
    assert said.startswith("flat holds no labels: put each of its pictures into a folder that has the name")


def test_hidden_files_are_no_pictures(tmp_path):
    data = pictures_at(tmp_path, "cat/1.png", "cat/._1.png", "__MACOSX/cat/1.png", ".cache/2.png")
    assert data.names == ["cat/1.png"]


def test_folders_that_are_numbers_are_these_classes(tmp_path):
    data = pictures_at(tmp_path, "10/1.png", "9/2.png", "0/3.png")
    assert [data[index][1] for index in range(3)] == [0, 10, 9]
    _, notes = with_classes(data, "some", (), 11)
    assert notes == ["the classes of some are numbers: each is that output, from 0"]
    with pytest.raises(
        DataError, match=r"some has the class 10, but the network tells 10 classes apart, numbered from"
    ):
        with_classes(data, "some", (), 10)
    named, notes = with_classes(data, "some", ("9", "10", "0"), 3)  # as whoever numbered them says
    assert [named[index][1] for index in range(3)] == [2, 1, 0]
    assert notes == []


def test_classes_are_matched_by_name(tmp_path):
    data = pictures_at(tmp_path, "dog/1.png", "frog/2.png")
    named, notes = with_classes(data, "some", ("cat", "dog", "frog"), 3)
    assert [named[index][1] for index in range(2)] == [1, 2]
    assert notes == []
    assert [data[index][1] for index in range(2)] == [0, 1]  # the data itself is as it was
    assert labels_of(named).names == ("dog", "frog")
    counted, notes = with_classes(data, "some", (), 2)
    assert [counted[index][1] for index in range(2)] == [0, 1]
    assert notes == ["the network keeps no names: the classes of some are numbered in alphabetical order, dog, frog"]
    message = r"some has the class 'frog', which the network does not know \(did you mean fog or dog\?\): rename its folder, or na"
    with pytest.raises(DataError, match=message):
        with_classes(data, "some", ("dog", "fog", "eel"), 3)
    with pytest.raises(
        DataError, match=r"some has 2 classes \(dog, frog\), but the network has 3 outputs, without names"
    ):
        with_classes(data, "some", (), 3)


def test_one_class_is_known_to_be_the_only_one(tmp_path):
    assert labels_of(pictures_at(tmp_path, "dog/1.png", "dog/2.png")).only == "dog"
    assert labels_of(in_file(tmp_path, x=np.zeros((2, 2)), y=np.array([3, 3]))).only == "3"
    assert labels_of(in_file(tmp_path, x=np.zeros((2, 2)), y=np.array([3.0, 3.0]))).only == ""
    assert labels_of(open_data("digits")).only == ""


def idx(array):
    shape = b"".join(size.to_bytes(4) for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


def idx_files(folder, samples=3, labels=3):
    """A file of pictures of 2 x 4 pixels and one of labels, compressed."""
    pictures = folder / "t10k-images-idx3-ubyte.gz"
    pictures.write_bytes(gzip.compress(idx(np.arange(samples * 8, dtype=np.uint8).reshape(samples, 2, 4))))
    labels_file = folder / "t10k-labels-idx1-ubyte.gz"
    labels_file.write_bytes(gzip.compress(idx(np.arange(labels, dtype=np.uint8) + 7)))
    return pictures, labels_file


def test_idx_files(tmp_path):
    data = open_data(str(idx_files(tmp_path)[0]))
    assert len(data) == 3
    x, y = data[1]
    assert y == 8
    assert torch.equal(x, torch.arange(8, 16).view(1, 2, 4) / 255)


def test_idx_files_are_preprocessed_as_other_pictures(tmp_path):
    data = open_data(str(idx_files(tmp_path)[0]), Preprocessing(mean=(0.5,), std=(0.25,), size=8, grey=True))
    x, y = data[0]
    assert (x.shape, y) == ((1, 8, 8), 7)
    assert float(x.mean()) == pytest.approx((3.5 / 255 - 0.5) / 0.25, abs=1e-2)


def test_idx_files_without_labels(tmp_path):
    pictures, labels = idx_files(tmp_path)
    labels.unlink()
    data = open_data(str(pictures))
    assert len(data[0]) == 1
    put = "put t10k-labels-idx1-ubyte, or t10k-labels-idx1-ubyte.gz, beside it"
    assert unlabelled(data, "some") == [f"some holds no labels: {put}"]


@pytest.mark.parametrize("unpacked", [(0,), (1,), (0, 1)])
def test_idx_files_may_be_unpacked(unpacked, tmp_path):
    files = list(idx_files(tmp_path))
    for index in unpacked:
        plain = files[index].with_suffix("")
        plain.write_bytes(gzip.decompress(files[index].read_bytes()))
        files[index].unlink()
        files[index] = plain
    assert open_data(str(files[0]))[2][1] == 9


def test_idx_files_with_a_dot_in_their_names(tmp_path):
    pictures, labels = idx_files(tmp_path)
    labels.rename(tmp_path / "t10k-labels.idx1-ubyte.gz")
    assert len(open_data(str(pictures.rename(tmp_path / "t10k-images.idx3-ubyte.gz")))) == 3


def test_fashion_mnist(shared):
    data = open_data(str(shared / "data" / "fashion-mnist" / "t10k-images-idx3-ubyte.gz"))
    assert len(data) == 10_000
    x, y = data[0]
    assert x.shape == (1, 28, 28)
    assert y == 9
    assert 0.5 < float(x.max()) <= 1


def test_parts_of_the_digits():
    everything, known, unseen = (open_data(name) for name in ("digits", "digits:train", "digits:test"))
    pictures = [{x.numpy().tobytes() for x, _ in map(part.__getitem__, range(len(part)))} for part in (known, unseen)]
    assert not set.intersection(*pictures)
    assert len(known) + len(unseen) == len(everything) == sum(map(len, pictures))
    counts = [np.bincount([part[index][1] for index in range(len(part))]) for part in (everything, unseen)]
    assert np.array_equal(counts[0] // 4, counts[1])


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


def of_no_samples(tmp_path):
    return in_file(tmp_path, x=np.zeros((3, 2)), x2=np.zeros((4, 2)))


def complex_numbers(tmp_path):
    return in_file(tmp_path, x=np.zeros((3, 2), np.complex64))


def resized_vectors(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)))
    return open_data(str(tmp_path / "a.npz"), Preprocessing(size=4))[0]


def normalised_tokens(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2), int))
    return open_data(str(tmp_path / "a.npz"), Preprocessing(mean=(0.5,)))


def picture_without_a_range(tmp_path):
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "1.tif")
    return open_data(str(tmp_path))[0]


def pictures_at(tmp_path, *names):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    return open_data(str(tmp_path))


def parts_in_one_folder(tmp_path):
    return pictures_at(tmp_path, "train/cat/1.png", "test/cat/2.png", "test/dog/3.png")


def a_folder_too_deep(tmp_path):
    return pictures_at(tmp_path, "cat/images/1.png", "dog/images/2.png")


def beside_their_folders(tmp_path):
    return pictures_at(tmp_path, "cat/1.png", "2.png")


def another_part_of_the_digits(tmp_path):
    return open_data("digits:tset")


def lacking(tmp_path):
    np.savez(tmp_path / "a.npz", y=np.zeros(3, int))
    return open_data(str(tmp_path / "a.npz"))


def unequal(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.zeros(4, int))
    return open_data(str(tmp_path / "a.npz"))


def columns_of_words(tmp_path):
    return in_file(tmp_path, x=np.zeros((2, 2)), y=np.array([["cat"], ["dog"]]))


def one_target(tmp_path):
    return in_file(tmp_path, x=np.zeros((2, 2)), y=np.float32(1))


def no_number(tmp_path):
    return in_file(tmp_path, x=np.zeros((2, 2)), y=np.array([1, np.nan]))


def no_axis(tmp_path):
    return in_file(tmp_path, x=np.float32(1))


def flat_pictures(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2), np.uint8), y=np.zeros(3, int))
    return open_data(str(tmp_path / "a.npz"))


def idx_of_labels(tmp_path):
    return open_data(str(idx_files(tmp_path)[1]))


def idx_of_another_magic(tmp_path):
    pictures, labels = idx_files(tmp_path)
    pictures.write_bytes(labels.read_bytes())
    return open_data(str(pictures))


def empty_idx(tmp_path):
    pictures, _ = idx_files(tmp_path)
    pictures.with_suffix("").write_bytes(b"")
    return open_data(str(pictures.with_suffix("")))


def half_an_idx_header(tmp_path):
    pictures, _ = idx_files(tmp_path)
    pictures.with_suffix("").write_bytes(gzip.decompress(pictures.read_bytes())[:10])
    return open_data(str(pictures.with_suffix("")))


def truncated_idx(tmp_path):
    pictures, _ = idx_files(tmp_path)
    pictures.with_suffix("").write_bytes(gzip.decompress(pictures.read_bytes())[:-1])
    return open_data(str(pictures.with_suffix("")))


def idx_with_a_remainder(tmp_path):
    _, labels = idx_files(tmp_path)
    labels.write_bytes(gzip.compress(gzip.decompress(labels.read_bytes()) + b"more"))
    return open_data(str(tmp_path / "t10k-images-idx3-ubyte.gz"))


def truncated_gzip(tmp_path):
    pictures, _ = idx_files(tmp_path)
    pictures.write_bytes(pictures.read_bytes()[:-10])
    return open_data(str(pictures))


def garbled_gzip(tmp_path):
    pictures, _ = idx_files(tmp_path)
    content = bytearray(pictures.read_bytes())
    content[10] = 0xFF
    pictures.write_bytes(content)
    return open_data(str(pictures))


def no_gzip(tmp_path):
    pictures, _ = idx_files(tmp_path)
    pictures.write_bytes(b"no gzip")
    return open_data(str(pictures))


def unequal_idx(tmp_path):
    return open_data(str(idx_files(tmp_path, samples=3, labels=4)[0]))


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
        (
            picture_without_a_range,
            r"1.tif in .*: its pixels are 32-bit numbers \(mode F\), whose range is not known; rep",
        ),
        (empty_folder, "holds no pictures: expected class/picture.jpg"),
        (bad_zip, "a.zip is no zip file, or it is damaged"),
        (truncated_npz, r"a.npz is no .npz file, or it is damaged"),
        (pickled_npz, r"a.npz is no .npz file, or it is damaged .*allow_pickle"),
        (lacking, "a.npz lacks the array x; it holds labels alone"),
        (unequal, "a.npz: it holds 3 samples, y 4: give one class or target for each"),
        (columns_of_words, r"some.npz: y must hold whole numbers or names \[samples\] as .*, got <U3 \(2, 1\)"),
        (
            one_target,
            r"y must hold whole numbers or names \[samples\] as classes, .*, or floating .*, got float32 \(\)",
        ),
        (of_no_samples, "some.npz: its inputs hold 3 and 4 samples: give as many of each"),
        (complex_numbers, "some.npz: x must hold real numbers, got complex64: make numbers of it, a complex one two"),
        (resized_vectors, r"samples of the shape \[2\] are no pictures, and cannot be resized to 4 pixels"),
        (normalised_tokens, "samples of int64 cannot be resized or normalised: make floating point of them, x.astype"),
        (
            parts_in_one_folder,
            "class folders at several places .test/cat, train/cat ....: give those of one part, as tr",
        ),
        (a_folder_too_deep, ".cat/images, dog/images ....: .* or move each picture into class/picture.jpg"),
        (beside_their_folders, r"holds pictures beside its class folders \(2.png\): move each into the folder of its"),
        (another_part_of_the_digits, "the digits have no part 'digits:tset': did you mean digits:test"),
        (no_number, r"some.npz: y holds NaN or infinity: clean the data first \(numpy.isfinite finds them\)"),
        (no_axis, r"some.npz: x must be \[samples, ...\], got one number"),
        (
            flat_pictures,
            r"must be pictures, uint8 \[samples, .*\], got \(3, 2\): give other numbers another type, x.astype\(",
        ),
        (
            idx_of_labels,
            r"labels-idx1-ubyte.gz is no file of pictures by its name: give .* ...images-idx3-ubyte\(.gz\)",
        ),
        (
            idx_of_another_magic,
            "images-idx3-ubyte.gz is no IDX file of 3 dimensions of bytes: it begins with 00 00 08 01 instead of "
            "00 00 08 03; get it again",
        ),
        (empty_idx, "it begins with nothing instead of 00 00 08 03"),
        (half_an_idx_header, "images-idx3-ubyte is damaged: its header ends after 10 of 16 bytes; get it again"),
        (truncated_idx, "images-idx3-ubyte is damaged: 3x2x4 bytes are announced, 23 follow; get it again"),
        (idx_with_a_remainder, "labels-idx1-ubyte.gz is damaged: 3 bytes are announced, 7 follow; get it again"),
        (truncated_gzip, r"cannot read .*images-idx3-ubyte.gz \(Compressed file ended .*\): get it again"),
        (garbled_gzip, r"cannot read .*images-idx3-ubyte.gz \(Error -3 while decompressing data.*\): get it again"),
        (no_gzip, r"cannot read .*images-idx3-ubyte.gz \(Not a gzipped file .*\): get it again"),
        (
            unequal_idx,
            "images-idx3-ubyte.gz holds 3 pictures, but t10k-labels-idx1-ubyte.gz beside it holds 4 labels: "
            "put the two files of one data set side by side",
        ),
        (
            unknown,
            r"a.csv is of no known kind: give a folder, a .zip, an .npz file, an images-idx3-ubyte\(.gz\) file, or the "
            "word digits",
        ),
        (missing, "there is no data .*nothing'"),
        (wrong_mean, "mean has 2 values, the samples have 1 channels"),
        (zero_std, "std must be positive"),
        (zero_size, "size must be at least 1 pixel, got 0"),
    ],
)
def test_data_that_cannot_be_used(attempt, message, tmp_path):
    with pytest.raises(DataError, match=message):
        attempt(tmp_path)
