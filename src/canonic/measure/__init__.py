"""Measures: sums and counts over data, which can be merged."""

from canonic.measure.evaluation import Evaluation as Evaluation
from canonic.measure.evaluation import evaluate as evaluate
