"""Pictures of an evaluation: figures for papers, and a page to read."""

from canonic.report.plots import accuracy_against_steps as accuracy_against_steps
from canonic.report.plots import energy_comparison as energy_comparison
from canonic.report.plots import error_per_layer as error_per_layer
from canonic.report.plots import overload as overload
from canonic.report.plots import save_figure as save_figure
from canonic.report.plots import spikes_per_layer as spikes_per_layer
