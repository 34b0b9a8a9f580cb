"""``make bench-imagenet`` without its photos: its page, what it keeps, what it shows, the shape of its ResNet."""

import pytest
import torch
from benchmarks.imagenet import page, resnet50, run
from benchmarks.imagenet.subjects import MEMBERS, SCREENED, SUBJECTS, Subject
from torch import nn

from canonic.sweep import Setting

KEPT = run.read(run.RESULTS)


class Toy(Subject):
    """A network of four inputs in place of a trained one."""

    def __init__(self):
        super().__init__("toy", lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4)).eval(), None)

    def photos(self, first, count):
        x = torch.rand(700, 4, generator=torch.Generator().manual_seed(0))[first : first + count]
        return [(x, x.argmax(1))]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    members = {key: MEMBERS[key] for key in ("graded_16", "four_digits")}
    return run.measured(Toy(), members, SCREENED, tmp_path_factory.mktemp("imagenet"))


def test_the_page_shows_what_is_kept():
    text = page.PAGE.read_text()
    for part, lines in page.tables(KEPT).items():
        assert page.replaced(text, part, lines) == text, "python -m benchmarks.imagenet.page"


def test_each_row_is_of_its_member():
    for name, rows in KEPT["networks"].items():
        assert name in SUBJECTS
        assert not run.missing({key: MEMBERS[key] for key in rows}, rows)


def test_a_member_is_measured_and_shown(found):
    eight, four = found.values()
    assert (eight["samples"], four["samples"]) == (100, 100)
    assert eight["agreement"] > 0.95
    assert four["total_steps"] == 4
    answers, costs = list(page.answers(found)), list(page.costs(found))
    assert answers[3].startswith("| graded | `css:4,silent=0,beta=4,levels=32` | 0 | 4 | 100 |")
    assert [line.split(" | ")[0] for line in costs[2:4]] == ["| source, fp32", "| source, int8 arithmetic"]
    for lines in (answers, costs):
        assert len({line.count("|") for line in lines}) == 1


def test_what_is_known_is_not_measured_again(found, tmp_path):
    members = {key: MEMBERS[key] for key in ("graded_16", "four_digits", "graded_8")}
    assert list(run.missing(members, found)) == ["graded_8"]
    for changed in ({"setting": Setting(steps=5).to_json()}, {"samples": 99}):
        known = {**found, "four_digits": {**found["four_digits"], **changed}}
        assert list(run.missing(members, known)) == ["four_digits", "graded_8"]
    assert run.measured(Toy(), {}, 600, tmp_path) == {}


def test_rows_are_kept_in_the_order_of_the_members(tmp_path):
    path = tmp_path / "imagenet.json"
    assert run.read(path) == {"networks": {}}
    run.keep(path, {"networks": {"efficientnet_lite0": {"graded_16": {"a": 1}, "ternary": {"a": 2}}}})
    assert list(run.read(path)["networks"]["efficientnet_lite0"].items()) == [
        ("ternary", {"a": 2}),
        ("graded_16", {"a": 1}),
    ]


def test_the_resnet_has_the_shape_of_its_paper():
    with torch.device("meta"):
        model = resnet50.shape().eval()
        answer = model(torch.empty(2, 3, 224, 224))
    assert answer.shape == (2, 1000)
    assert sum(p.numel() for p in model.parameters()) == 25_557_032
