"""Fast programs of what neurons do: C on a processor, built when they are first wanted, a compiled loop on a GPU."""

from canonic.native.compiled import can_compile as can_compile
from canonic.native.fused import fused_scan as fused_scan
