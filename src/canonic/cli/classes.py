"""What the classes of a network are called: as the user says, as it was told, as its model or its data have it."""

from pathlib import Path

from canonic.cli.data import say
from canonic.datasets import Data, labels_of
from canonic.errors import DataError
from canonic.learn.zoo.trial import ZooTrial
from canonic.network import SpikingNetwork
from canonic.network.classes import count_classes, require_names, require_one_each


def class_names(text: str) -> tuple[str, ...]:
    """Return the names in a list such as "cat,dog", or in a file of one a line.

    Raises:
        DataError: if the file cannot be read.
    """
    path = Path(text)
    if not text or not path.is_file():
        return tuple(name.strip() for name in text.split(",") if name.strip())
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the names of the classes in {path} ({error}): write one a line") from None


def names_of(snn: SpikingNetwork | ZooTrial, text: str, output: str | None) -> tuple[str, ...]:
    """Return the names of the classes of an output: those that the user gives, else those that were kept with it.

    Raises:
        DataError: if the user gives more or fewer.
    """
    kept = tuple(snn.record.get("classes", ()))
    outputs = snn.classes if isinstance(snn, ZooTrial) else count_classes(snn.graph, output)
    if not text and len(kept) == outputs:
        return kept
    names = class_names(text)
    if isinstance(snn, SpikingNetwork):
        require_names(snn.graph, names, output)
    elif names:
        require_one_each(names, snn.classes)
    return names


def kept_names(model: object, snn: SpikingNetwork, data: Data, name: str) -> list[str]:
    """Return the names of a network's classes that are known without being given; say if those of the data do not do.

    Args:
        model: that it was made from: it may know them.
        snn: the network.
        data: that calibrated it: it may have a folder for each class.
        name: of the data.
    """
    outputs = count_classes(snn.graph)
    if len(own := own_names(model)) == outputs:
        return list(own)
    names = labels_of(data).names
    if names and len(names) != outputs:
        say([f"{name} has {len(names)} classes, the network {outputs or 'other'} outputs: their names are not kept"])
        return []
    return list(names)


def own_names(model: object) -> tuple[str, ...]:
    """Return the names that a model of Hugging Face has for its classes; none if they say nothing, as "LABEL_0".

    >>> from types import SimpleNamespace
    >>> own_names(SimpleNamespace(config=SimpleNamespace(id2label={1: "dog", 0: "cat"})))
    ('cat', 'dog')
    """
    named = getattr(getattr(model, "config", None), "id2label", None) or {}
    names = tuple(str(named[place]) for place in sorted(named, key=int))
    return () if not names or names[0] == "LABEL_0" or len(set(names)) < len(names) else names
