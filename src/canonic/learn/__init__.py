"""Spiking networks that are trained: an ordinary module with a ``Population`` where a ReLU would stand."""

from canonic.learn.gradients import Equilibrium as Equilibrium
from canonic.learn.gradients import Representation as Representation
from canonic.learn.modules import Dropout as Dropout
from canonic.learn.modules import Encode as Encode
from canonic.learn.modules import Hold as Hold
from canonic.learn.population import Population as Population
from canonic.learn.schedule import Run as Run
from canonic.learn.schedule import tick as tick
from canonic.learn.schedule import unroll as unroll
from canonic.neurons.rules import IF as IF
from canonic.neurons.rules import LIF as LIF
from canonic.neurons.surrogate import Surrogate as Surrogate
