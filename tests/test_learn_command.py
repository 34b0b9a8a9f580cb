"""The commands of trained systems."""

import json

import numpy as np
import pytest
import torch

from canonic import load
from canonic.datasets import open_data
from canonic.datasets.parts import train_and_test
from canonic.errors import DataError
from canonic.learn import Gradient
from canonic.learn.batches import taken
from canonic.learn.zoo import entry, names
from canonic.learn.zoo.samples import samples_of, standardising


def test_the_systems_are_listed_with_source_published_figure_and_data(command, tmp_path):
    printed = command(tmp_path, "learn").stdout
    listed = json.loads(command(tmp_path, "learn", "--json").stdout)
    assert [one["name"] for one in listed] == list(names())
    for one in listed:
        known = entry(one["name"])
        assert one["name"] in printed
        assert known.what in printed
        assert f"{known.published} ({known.source})" in printed
        assert (one["published"], one["data"], one["kind"]) == (known.published, known.data, known.kind)


SHORT = ("train", "population", "--data", "digits", "--limit", "200", "--epochs", "2")


def test_a_system_is_trained_measured_and_saved(command, tmp_path):
    row = json.loads(command(tmp_path, *SHORT, "--out", "own.safetensors", "--seed", "1", "--json").stdout)
    snn = load(tmp_path / "own.safetensors")
    assert snn.record["row"] == {key: value for key, value in row.items() if key != "file"}
    assert [row[key] for key in ("system", "data", "seed", "epochs", "samples")] == ["population", "digits", 1, 2, 445]
    assert row["recipe"] == {**entry("population").recipe_for(200, 1).to_json(), "epochs": 2}
    assert row["trained_on"]["samples"] == 200
    assert all(value is not None for value in row.values())
    assert len(snn.record["training"]["epochs"]) == 2
    assert snn.record["preprocessing"]["mean"] == [pytest.approx(0.3, abs=0.05)]
    assert [path.name for path in tmp_path.iterdir()] == ["own.safetensors"]
    measured = command(tmp_path, "evaluate", "own.safetensors", "--data", "digits:test", "--no-source", "--json").stdout
    assert json.loads(measured)["accuracy"]["network"] == pytest.approx(row["accuracy"])


@pytest.mark.parametrize(
    ("system", "said"),
    [
        (
            "first-to-spike",
            ["answers at step {mean_step:.2f} on average", "spiking {accuracy:.2f} %", "trained as first-"],
        ),
        (
            "yoso",
            ["{agreement:.2f} % of its answers to 445 samples of digits are those of the network that was trained"],
        ),
    ],
)
def test_what_is_measured_again_is_what_the_row_says(command, tmp_path, system, said):
    words = ("train", system, "--data", "digits", "--limit", "150", "--epochs", "3", "--no-ann", "--json")
    row = json.loads(command(tmp_path, *words).stdout)
    told = " ".join(command(tmp_path, "evaluate", "trained.safetensors", "--data", "digits:test").stdout.split())
    shares = {name: 100 * row.get(name, 0) for name in ("accuracy", "agreement")}
    for sentence in said:
        assert sentence.format(**row | shares) in told
    assert "overloaded" not in told or system == "yoso"


def test_a_training_goes_on_and_gives_what_it_would_have_given(command, tmp_path, monkeypatch):
    whole = json.loads(command(tmp_path, *SHORT, "--no-ann", "--json").stdout)
    step, count = Gradient.step, iter(range(100))

    def interrupted(*arguments):
        if next(count) == 9:
            raise KeyboardInterrupt
        return step(*arguments)

    def stopped(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Gradient, "step", interrupted)
    told = command(tmp_path, *SHORT, "--no-ann", "--out", "two.safetensors", code=130).stderr
    assert "canonic: interrupted: 1 whole epoch kept in two.training/population" in told
    assert told.endswith("the same call goes on from there, with --resume\n")
    kept = tmp_path / "two.training" / "population" / "training.safetensors"
    before = kept.read_bytes()
    lost = command(tmp_path, *SHORT, "--no-ann", "--out", "two.safetensors", code=1).stderr
    assert "two.training/population holds a training that was interrupted: go on with it, --resume, or remove" in lost
    other = command(tmp_path, *SHORT, "--no-ann", "--out", "two.safetensors", "--resume", "--seed", "5", code=1).stderr
    assert "two.training/population holds a training with another recipe (seed 0, here 5)" in other
    assert "or remove two.training/population/training.safetensors to begin again" in other
    opened = command(tmp_path, "evaluate", str(kept), "--data", "digits", code=1).stderr
    assert "holds a training that has not ended: canonic train --resume goes on with it" in opened
    assert kept.read_bytes() == before
    monkeypatch.setattr(Gradient, "step", step)
    mistyped = command(tmp_path, *SHORT, "--no-ann", "--out", "tow.safetensors", "--resume").stderr
    assert "canonic: tow.training holds no training to go on with: this one begins anew" in mistyped
    with monkeypatch.context() as patch:  # Ctrl-C while it is measured
        patch.setattr("canonic.measure.evaluation.measure_batch", stopped)
        told = command(tmp_path, *SHORT, "--no-ann", "--out", "two.safetensors", "--resume", code=130).stderr
    assert "interrupted: what was trained is kept in two.training; the same call goes on from there, with" in told
    shown = command(tmp_path, *SHORT, "--no-ann", "--out", "two.safetensors", "--resume").stdout
    assert "saved in two.safetensors" in shown
    assert f"{100 * whole['accuracy']:.2f}" in shown
    assert not (tmp_path / "two.training").exists()
    one, two = (load(tmp_path / f"{name}.safetensors").plan.graph.nodes for name in ("trained", "two"))
    tensors = [(a, b.tensors[key]) for n, b in zip(one, two, strict=True) for key, a in n.tensors.items()]
    assert tensors
    assert all(torch.equal(a, b) for a, b in tensors)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("train", "lfi", "--data", "digits"), 1, "there is no system 'lfi': did you mean lif"),
        (("train", "lif", "--data", "nothing"), 1, "nothing says on which data, unlike nothing"),
        (("train", "lif", "--data", "nothing", "--test", "digits:test"), 1, "there is no data 'nothing'"),
        (("train", "lif", "--data", "digits", "--out", "."), 2, "--out must be a file"),
        (
            ("train", "lif", "--data", "digits", "--out", "y.training"),
            2,
            "y.training is the folder of the checkpoints",
        ),
        (("train", "lif", "--data", "digits", "--limit", "0"), 1, "the limit must be at least 1"),
    ],
)
def test_what_cannot_be_trained_is_said(command, tmp_path, words, code, said):
    assert said in command(tmp_path, *words, code=code).stderr


def test_data_that_do_not_fit_are_named(command, tmp_path):
    x, y = np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32), np.arange(20) % 3
    for name, arrays in {
        "train": {"x": x, "y": y},
        "flat": {"x": x[:, 0, 0], "y": y},
        "grey": {"x": x[:, 0], "y": y},
        "holes": {"x": np.where(x > 0.5, np.nan, x), "y": y},
        "bare": {"x": x},
        "beyond": {"x": x, "y": y + 1},
        "measured": {"x": x, "y": y.astype(np.float32)},
    }.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)

    def told(train, test):
        options = ("--data", f"{train}.npz", "--test", f"{test}.npz", "--epochs", "1", "--no-ann")
        return command(tmp_path, "train", "lif", *options, code=1).stderr

    assert "of at least 4 x 4 pixels, samples have the shape [8]: of features take a system" in told("flat", "flat")
    assert "samples have the shape [8, 8]: give grey pictures their channel, x[:, None]" in told("grey", "grey")
    assert "holes.npz holds NaN or infinity: clean the data first" in told("train", "holes")
    assert "samples of flat.npz have the shape [8], those of train.npz [1, 8, 8]" in told("train", "flat")
    assert "bare.npz has no labels: add the array y" in told("train", "bare")
    assert "label 3 is none of the 3 classes" in told("train", "beyond")
    assert "labels must be classes, whole numbers from 0, got floating point" in told("measured", "train")


def test_classes_keep_their_numbers_where_the_test_lacks_some_and_new_ones_are_refused(command, tmp_path):
    x, y = np.random.default_rng(0).random((60, 6), dtype=np.float32) * 0.1, np.array(["ant", "bee", "cow"] * 20)
    x += np.array([0.0, 0.4, 0.8])[np.arange(60) % 3, None].astype(np.float32)
    some = y != "bee"
    for name, kept, classes in (("all", y == y, y), ("some", some, y), ("new", some, np.where(y == "cow", "dog", y))):
        np.savez(tmp_path / f"{name}.npz", x=x[kept], y=classes[kept])
    words = ("train", "yoso", "--data", "all.npz", "--epochs", "20", "--no-ann", "--json", "--test")
    assert json.loads(command(tmp_path, *words, "some.npz").stdout)["accuracy"] > 0.9
    assert (
        "new.npz has the class 'dog', which the network does not know"
        in command(tmp_path, *words, "new.npz", code=1).stderr
    )


def test_features_are_learned_from_each_on_its_own_scale(command, tmp_path):
    y = np.arange(60) % 2
    noise = np.random.default_rng(0).normal(size=(60, 3)) * 0.05
    x = ((noise + y[:, None]) * (1e3, 1e-3, 0) + (0, 5, 7)).astype(np.float32)  # the last is always 7
    np.savez(tmp_path / "table.npz", x=x, y=y)
    words = ("train", "tandem", "--data", "table.npz")
    told = command(tmp_path, *words, code=1).stderr
    assert "and tandem takes them in [0, 1]: scale them, in the file or with --mean -" in told
    row = json.loads(command(tmp_path, "train", "ide", "--data", "table.npz", "--epochs", "10", "--json").stdout)
    assert row["accuracy"] > 0.9
    assert load(tmp_path / "trained.safetensors").record["preprocessing"]["std"][2] == 1
    measured = command(tmp_path, "evaluate", "trained.safetensors", "--data", "table.npz", "--json").stdout
    assert json.loads(measured)["accuracy"]["network"] > 0.9


@pytest.mark.parametrize("kind", ["int64", "uint16", "bool"])
@pytest.mark.parametrize("system", ["population", "tandem"])  # the one standardises, the other takes [0, 1]
def test_whole_numbers_are_refused_once_and_what_is_advised_is_measured_as_it_was_trained(
    command, tmp_path, kind, system
):
    y = np.arange(80) % 2
    x = (np.random.default_rng(0).random((80, 1, 4, 4)) < (0.3 + 0.4 * y)[:, None, None, None]).astype(kind)
    np.savez(tmp_path / "own.npz", x=x, y=y)
    words = ("train", system, "--data", "own.npz", "--epochs", "3", "--no-ann", "--json")
    told = command(tmp_path, *words, code=1).stderr
    assert f"{system} takes floating point, samples are {kind}: make it of them, x.astype(numpy.float32)" in told
    assert "samples of" in command(tmp_path, *words, "--mean", "0.5", code=1).stderr
    np.savez(tmp_path / "own.npz", x=x.astype(np.float32), y=y)
    row = json.loads(command(tmp_path, *words).stdout)
    measured = command(tmp_path, "evaluate", "trained.safetensors", "--data", "own.npz:test", "--json").stdout
    assert json.loads(measured)["accuracy"]["network"] == row["accuracy"]


def test_small_numbers_are_standardised_as_large_ones_and_what_never_changes_is_not(command, tmp_path):
    x, y = taken(open_data("digits:train"), range(200))
    for scale in (1e-5, 1e-20, 1.0, 1e20):
        ready = standardising(scale * x)
        assert abs(float(ready(scale * x[:, 0]).mean())) < 1e-2
        assert float(ready(scale * x[:, 0]).std()) == pytest.approx(1, abs=1e-2)
    assert standardising(x).std == (round(float(x.double().std()), 4),)
    assert standardising(torch.full((7, 1, 2, 2), 0.1)).std == (1.0,)
    assert standardising(torch.full((7, 3), 0.1)).std == [1.0] * 3
    np.savez(tmp_path / "small.npz", x=1e-5 * x.numpy(), y=y.numpy())
    row = json.loads(command(tmp_path, "train", "population", "--data", "small.npz", "--no-ann", "--json").stdout)
    assert row["accuracy"] > 0.6


@pytest.mark.parametrize(("low", "high"), [(-5313.8913, 5106.8), (-0.3, 0.7), (0.0, 255.0), (3e-6, 7.1), (-2e-9, 1e-9)])
@pytest.mark.parametrize("system", ["stdb", "spike-time"])
def test_the_mean_and_std_that_are_advised_are_taken(command, tmp_path, system, low, high):
    x, y = np.random.default_rng(0).uniform(low, high, (40, 5)).astype(np.float32), np.arange(40) % 2
    x[0, 0], x[3, 0] = low, high  # the one is learned from, the other measured on
    np.savez(tmp_path / "table.npz", x=x, y=y)
    words = ("train", system, "--data", "table.npz", "--epochs", "1")
    told = command(tmp_path, *words, code=1).stderr
    assert f"and {system} takes them in [0, 1]: scale them" in told
    advised = told.split("with ")[1].split()
    command(tmp_path, *words, *advised)
    command(tmp_path, "evaluate", "trained.safetensors", "--data", "table.npz")


@pytest.mark.parametrize("system", [name for name in names() if not entry(name).standardised])
def test_the_range_is_checked_of_what_is_fed(command, tmp_path, system):
    x, y = np.random.default_rng(0).random((40, 1, 8, 8), dtype=np.float32), np.arange(40) % 2
    np.savez(tmp_path / "own.npz", x=x, y=y)
    told = command(tmp_path, "train", system, "--data", "own.npz", "--std", "0.2", code=1).stderr
    assert "own.npz:train lie in [" in told
    assert f"by --mean and --std, and {system} takes them in [0, 1]: leave both out to be told which ones fit" in told
    assert "epochs of" not in told


def test_a_class_without_a_sample_has_an_output_and_is_told_before_the_training(command, tmp_path):
    names = np.array(["ant", "bee", "cow"])
    x, y = np.random.default_rng(0).random((41, 1, 4, 4), dtype=np.float32), np.append(np.arange(40) % 2, 2)
    np.savez(tmp_path / "rare.npz", x=x, y=names[y])
    np.savez(tmp_path / "gone.npz", x=x[:40], y=y[:40], classes=names)
    for system, data, options in (("tandem", "rare.npz", ("--limit", "12")), ("rank", "gone.npz", ())):
        words = ("train", system, "--data", data, "--epochs", "1", "--no-ann", *options)
        assert "no sample that is learned from is of the class cow" in command(tmp_path, *words).stderr
        command(tmp_path, "evaluate", "trained.safetensors", "--data", data)


def test_one_sample_is_enough_to_measure_on(command, tmp_path):
    x, y = np.random.default_rng(0).random((40, 6), dtype=np.float32), np.arange(40) % 2
    np.savez(tmp_path / "own.npz", train_x=x, train_y=y, test_x=x[:1], test_y=y[:1])
    row = json.loads(command(tmp_path, "train", "ide", "--data", "own.npz", "--epochs", "1", "--json").stdout)
    assert row["samples"] == 1
    assert row["saved_bytes"] > 32 * 4 * 400  # of an update of 32 samples


def test_the_limit_is_named_where_it_takes_classes_away(command, tmp_path):
    for limit in ("1", "2"):
        told = command(tmp_path, "train", "lif", "--data", "digits", "--limit", limit, code=1).stderr
        assert f"--limit {limit} leaves samples of {limit} of the 10 classes of digits:train to learn from: tak" in told


def test_sequences_train_once_they_are_no_bytes_and_their_parts_are_told(command, tmp_path):
    x, y = np.random.default_rng(0).integers(0, 2, (12, 6, 4), dtype=np.uint8), np.arange(12) % 2
    np.savez(tmp_path / "bytes.npz", x=x, y=y)
    np.savez(tmp_path / "floats.npz", x=x.astype(np.float32), y=y)
    words = ("train", "srnn", "--epochs", "1", "--no-ann", "--data")
    assert (
        "the shape [1, 6, 4]: give x [samples, time, channels] in an .npz, and no uint8, which is taken for pictures: x.as"
        in command(tmp_path, *words, "bytes.npz", code=1).stderr
    )
    assert (
        "floats.npz has no parts: 2 of 12 samples are its part test" in command(tmp_path, *words, "floats.npz").stderr
    )


def test_held_out_samples_choose_the_epoch_and_those_of_the_test_change_nothing(command, tmp_path):
    x, y = np.random.default_rng(0).random((60, 1, 8, 8), dtype=np.float32), np.arange(60) % 3
    np.savez(tmp_path / "train.npz", x=x, y=y)
    for name, sign in (("one", 1), ("other", -7)):
        np.savez(tmp_path / f"{name}.npz", x=sign * x[:9] + 0.5, y=y[:9][:: sign // abs(sign)])
    weights, records = [], []
    for name in ("one", "other"):
        words = ("train", "population-one", "--data", "train.npz", "--test", f"{name}.npz", "--hold-out", "0.2")
        told = command(tmp_path, *words, "--epochs", "4", "--no-ann", "--out", f"{name}.safetensors").stderr
        assert "population-one: 4 epochs of 48 samples, 12 others held out; checkpoints" in told
        assert "of 4, " in told.split("the weights are those of epoch ")[1]
        snn = load(tmp_path / f"{name}.safetensors")
        weights += [tensor for node in snn.plan.graph.nodes for tensor in node.tensors.values()]
        records.append({key: snn.record["training"][key] for key in ("record", "chosen", "chosen_on")})
        assert snn.record["preprocessing"]["mean"] == [round(float(x.mean(dtype=np.float64)), 4)]
    half = len(weights) // 2
    assert all(torch.equal(a, b) for a, b in zip(weights[:half], weights[half:], strict=True))
    assert records[0] == records[1]
    assert records[0]["chosen_on"] == "20 % of the training samples, held out"
    command(tmp_path, "report", "one.safetensors", "--data", "one.npz", "--out", "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "chosen on 20 % of the training samples, held out" in page
    assert "validation loss" in page
    both = ("--validate", "one.npz", "--hold-out", "0.2")
    assert "--validate and --hold-out both say" in command(tmp_path, *words[:6], *both, code=2).stderr


def recordings(count, events=40):
    """Events of one polarity on the left half of 8 x 8 places, or of the other on the right: two classes."""
    generator, label = np.random.default_rng(0), np.arange(count) % 2
    side = np.repeat(label, events).astype(np.uint8)
    x = generator.integers(0, 4, count * events).astype(np.uint8) + 4 * side
    y, t = generator.integers(0, 8, x.size).astype(np.uint8), np.tile(np.arange(events), count)
    return {"x": x, "y": y, "p": side, "t": t, "offset": np.arange(count + 1) * events, "label": label}


def test_recordings_of_events_are_learned_from_measured_and_shown(command, tmp_path):
    np.savez(tmp_path / "own.npz", **recordings(80), size=np.array([8, 8]))
    words = ("train", "lif-events", "--data", "own.npz", "--frames", "4", "--epochs", "20", "--no-ann")
    row = json.loads(command(tmp_path, *words, "--json").stdout)
    assert (row["steps"], row["accuracy"], row["samples"]) == (4, 1.0, 20)
    test = ("trained.safetensors", "--data", "own.npz:test")
    measured = command(tmp_path, "evaluate", *test, "--no-source", "--json").stdout
    assert json.loads(measured)["accuracy"]["network"] == 1
    command(tmp_path, "report", *test, "--out", "page.html")
    assert "of 4 x 2 x 8 x 8 numbers the sum of all second maps" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("system", "options", "said"),
    [
        ("lif", ("--frames", "4"), "4 frames are asked for, digits:train holds no recordings of events: leave it out"),
        ("lif-events", (), "lif-events is for recordings [frames, channels, height, width], samples have the shape"),
    ],
)
def test_what_is_no_recording_is_named(command, tmp_path, system, options, said):
    told = command(tmp_path, "train", system, "--data", "digits", *options, code=1).stderr
    assert said in told
    assert "epochs of" not in told


@pytest.mark.parametrize("without", ["train", "test"])
def test_data_in_which_no_step_has_a_label_are_named(tmp_path, without):
    x, y = np.random.default_rng(0).normal(size=(6, 5, 3)).astype(np.float32), np.arange(30).reshape(6, 5) % 2
    for part in ("train", "test"):
        np.savez(tmp_path / f"{part}.npz", x=x, y=np.full_like(y, -100) if part == without else y)
    with pytest.raises(DataError, match=rf"no step of .*{without}.npz has a label, all are -100: give classes from 0"):
        samples_of(entry("srnn"), str(tmp_path / "train.npz"), str(tmp_path / "test.npz"))


def test_the_data_to_measure_on_may_stand_beside(tmp_path):
    for name in ("train-images", "t10k-images"):
        (tmp_path / name).touch()
    assert train_and_test(str(tmp_path / "train-images")) == tuple(
        str(tmp_path / f"{n}-images") for n in ("train", "t10k")
    )
    with pytest.raises(DataError, match="name them with --test"):
        train_and_test(str(tmp_path / "t10k-images"))
