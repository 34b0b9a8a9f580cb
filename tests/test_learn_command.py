"""The commands of trained systems."""

import json

from canonic.learn.zoo import entry, names


def test_the_systems_are_listed_with_source_published_figure_and_data(command, tmp_path):
    printed = command(tmp_path, "learn").stdout
    listed = json.loads(command(tmp_path, "learn", "--json").stdout)
    assert [one["name"] for one in listed] == list(names())
    for one in listed:
        known = entry(one["name"])
        assert one["name"] in printed
        assert known.source in printed
        assert (one["published"], one["data"], one["kind"]) == (known.published, known.data, known.kind)
