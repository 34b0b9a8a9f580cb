"""What an evaluation must hold for a report: all that is read is asked for, and what is missing is named."""

import copy

import pytest

from canonic.errors import CanonicError, DataError
from canonic.report.form import require_form
from canonic.report.page import report
from tests.evaluations import made_up, verdict
from tests.test_report import DESCRIPTION, POPULATIONS


def places(data, path=()):
    """Yield the path of each named value in an evaluation; of a list of values, those in its first."""
    items = data.items() if isinstance(data, dict) else enumerate(data[:1]) if isinstance(data, list) else ()
    for key, value in items:
        if isinstance(data, dict):
            yield (*path, key)
        yield from places(value, (*path, key))


def changed(evaluation, path, value=None, *, gone=False):
    """Return an evaluation in which one value is another, or not there."""
    other = copy.deepcopy(evaluation)
    place = other
    for key in path[:-1]:
        place = place[key]
    if gone:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return other


def is_written(evaluation):
    """Return whether a report is made of it; no other error than a DataError may be raised."""
    try:
        report(evaluation, verdict(POPULATIONS), DESCRIPTION)
    except DataError:
        return False
    return True


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_whatever_is_missing_a_report_is_made_or_an_error_says_why(task):
    evaluation = made_up(POPULATIONS, task=task)
    outcomes = {path: is_written(changed(evaluation, path, gone=True)) for path in places(evaluation)}
    assert {path[0] for path, made in outcomes.items() if not made} > {"network", "data", "spikes", "energy"}


def test_a_value_of_another_kind_is_named():
    evaluation = made_up(POPULATIONS)
    for path in places(evaluation):
        is_written(changed(evaluation, path, [{"of": "another kind"}]))
    with pytest.raises(
        DataError, match=r"not a whole evaluation \(spikes: layers: first: neurons is of another kind\)"
    ):
        require_form(changed(evaluation, ("spikes", "layers", "first", "neurons"), "many"))


def test_what_is_missing_is_named_and_what_to_do():
    with pytest.raises(
        DataError,
        match=r"e.json is not a whole evaluation \(network is missing, data is missing, task is missing and 9 others\): again",
    ):
        require_form({"format": "canonic evaluation 3"}, "e.json", "again")
    evaluation = changed(made_up(POPULATIONS), ("energy", "models", "horowitz45", "rows", 0, "total"), gone=True)
    with pytest.raises(DataError, match=r"\(energy: models: horowitz45: rows 1: total is missing\): make it again"):
        require_form(evaluation)


def test_an_evaluation_of_another_form():
    with pytest.raises(
        CanonicError, match="the evaluation is of the format None, the report reads 'canonic evaluation 3'"
    ):
        require_form({"accuracy": 1})


def test_more_than_is_read_may_be_there():
    require_form(made_up(POPULATIONS) | {"remark": "mine"})
    require_form(made_up(POPULATIONS, baselines=False))
