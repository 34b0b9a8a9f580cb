"""The network: its graph, the schedulers that run it, trace, table, storage."""

from canonic.network.frames import Followed as Followed
from canonic.network.frames import follow as follow
from canonic.network.spiking import SpikingNetwork as SpikingNetwork
from canonic.network.spiking import load as load
