"""Pictures of an evaluation."""

from canonic.report.plots import accuracy_against_steps as accuracy_against_steps
from canonic.report.plots import save_figure as save_figure
