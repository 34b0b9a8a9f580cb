"""Conversion: settings, calibration, thresholds, units."""

from canonic.conversion.convert import convert as convert
from canonic.conversion.explain import Explanation as Explanation
from canonic.conversion.explain import explain as explain
from canonic.conversion.settings import Override as Override
from canonic.conversion.settings import Settings as Settings
