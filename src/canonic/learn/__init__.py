"""Spiking networks that are trained: an ordinary module with a ``Population`` where a ReLU would stand."""

from canonic.learn.fit import accuracy as accuracy
from canonic.learn.fit import fit as fit
from canonic.learn.gradients import Equilibrium as Equilibrium
from canonic.learn.gradients import Representation as Representation
from canonic.learn.history import Epoch as Epoch
from canonic.learn.history import History as History
from canonic.learn.modules import Dropout as Dropout
from canonic.learn.modules import Encode as Encode
from canonic.learn.modules import Hold as Hold
from canonic.learn.population import Population as Population
from canonic.learn.recipe import Constant as Constant
from canonic.learn.recipe import Cosine as Cosine
from canonic.learn.recipe import Exponential as Exponential
from canonic.learn.recipe import Optimiser as Optimiser
from canonic.learn.recipe import Recipe as Recipe
from canonic.learn.recipe import Steps as Steps
from canonic.learn.schedule import Run as Run
from canonic.learn.schedule import tick as tick
from canonic.learn.schedule import unroll as unroll
from canonic.learn.system import Gradient as Gradient
from canonic.learn.system import Moment as Moment
from canonic.learn.system import System as System
from canonic.learn.system import once as once
from canonic.neurons.rules import IF as IF
from canonic.neurons.rules import LIF as LIF
from canonic.neurons.surrogate import Surrogate as Surrogate
