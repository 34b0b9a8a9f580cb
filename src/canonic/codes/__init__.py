"""Codes: how the spikes of a population stand for numbers."""

from canonic.codes.css import CSS as CSS
from canonic.codes.css import MOST_STEPS as MOST_STEPS
from canonic.codes.named import CODES as CODES
from canonic.codes.named import code_of as code_of
from canonic.codes.named import from_json as from_json
from canonic.codes.named import named as named
from canonic.codes.weighted import Weighted as Weighted
