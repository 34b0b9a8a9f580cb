"""The command that lists the systems which can be trained."""

from canonic.cli import options as o
from canonic.cli.group import print_json


def learn(as_json: o.Json = False) -> None:
    """List the systems that can be trained: what each is, its source, its published figure, its data."""
    from canonic.cli.terminal import columns, tell
    from canonic.learn.zoo import entry, names

    kept = ("name", "what", "codes", "gradient", "source", "published", "data", "kind")
    known = [{key: getattr(entry(name), key) for key in kept} for name in names()]
    if as_json:
        print_json(known)
        return
    headings = ("system", "what", "input > hidden > output", "source", "published figure", "measured here on")
    shown = ("name", "what", "codes", "source", "published", "data")
    tell(columns(headings, [[one[key] for key in shown] for one in known]))
