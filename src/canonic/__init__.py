"""Trained PyTorch networks as spiking networks of ternary spikes, by Canonic Signed Spike coding."""

from canonic.codes import CSS as CSS
from canonic.convert import Override as Override
from canonic.convert import Settings as Settings
from canonic.convert import convert as convert
from canonic.convert import explain as explain
from canonic.errors import CanonicError as CanonicError
from canonic.errors import ConversionError as ConversionError
from canonic.errors import DataError as DataError
from canonic.errors import StorageError as StorageError
from canonic.network import SpikingNetwork as SpikingNetwork
from canonic.network import load as load
