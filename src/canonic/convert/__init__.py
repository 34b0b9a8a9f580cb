"""Conversion: settings, calibration, thresholds, units."""

from canonic.convert.convert import convert as convert
from canonic.convert.explain import Explanation as Explanation
from canonic.convert.explain import explain as explain
from canonic.convert.settings import Override as Override
from canonic.convert.settings import Settings as Settings
