"""Codes: how the spikes of a population stand for numbers."""

from canonic.codes.css import CSS as CSS
from canonic.codes.css import MOST_STEPS as MOST_STEPS
