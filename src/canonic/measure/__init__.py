"""Measures: sums and counts over data, which can be merged."""

from canonic.measure.evaluation import evaluate as evaluate
from canonic.measure.result import Evaluation as Evaluation
