"""Sweeps: one network in many settings, and which of them are worth having."""

from canonic.sweep.comparison import Comparison as Comparison
from canonic.sweep.comparison import compare as compare
from canonic.sweep.greedy import search as search
from canonic.sweep.grid import Setting as Setting
from canonic.sweep.grid import grid as grid
from canonic.sweep.result import Outcome as Outcome
from canonic.sweep.result import Sweep as Sweep
from canonic.sweep.run import sweep as sweep
from canonic.sweep.searched import Search as Search
