"""Networks of other libraries as modules with populations, and back: the same weights, spikes and gradients."""

from canonic.learn.interop.snntorch import from_snntorch as from_snntorch
from canonic.learn.interop.snntorch import to_snntorch as to_snntorch
from canonic.learn.interop.spikingjelly import from_spikingjelly as from_spikingjelly
from canonic.learn.interop.spikingjelly import to_spikingjelly as to_spikingjelly
