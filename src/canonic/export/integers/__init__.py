"""Integer networks as a file for chips: int8 weights, shifts, thresholds and tables; docs/format.md defines it.

``run`` is the reference of what a file means: numpy, and nothing else of this package.
"""

from canonic.export.integers.file import load_integers, save_integers
from canonic.export.integers.interpreter import Ran, run
from canonic.export.integers.lower import to_integer_network
from canonic.export.integers.network import IntegerNetwork, IntegerNode

__all__ = ["IntegerNetwork", "IntegerNode", "Ran", "load_integers", "run", "save_integers", "to_integer_network"]
