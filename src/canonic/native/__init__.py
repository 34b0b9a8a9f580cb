"""Fast programs of what neurons do: C on a processor, built when they are first wanted, a compiled loop on a GPU."""

from canonic.native.choice import css_scan as css_scan
from canonic.native.choice import css_source as css_source
from canonic.native.choice import rule_scan as rule_scan
from canonic.native.choice import weighted_scan as weighted_scan
from canonic.native.compiled import can_compile as can_compile
from canonic.native.population import Given as Given
