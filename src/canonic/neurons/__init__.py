"""Neurons: the dynamics of a population, one pure step function and the scan that runs it."""

from canonic.neurons.terms import lengthen as lengthen
from canonic.neurons.terms import total as total
from canonic.neurons.tsa import Fired as Fired
from canonic.neurons.tsa import Membrane as Membrane
from canonic.neurons.tsa import Scan as Scan
from canonic.neurons.tsa import join as join
from canonic.neurons.tsa import overloaded as overloaded
from canonic.neurons.tsa import replay as replay
from canonic.neurons.tsa import rest as rest
from canonic.neurons.tsa import run as run
from canonic.neurons.tsa import saturation as saturation
from canonic.neurons.tsa import scan as scan
from canonic.neurons.tsa import step as step
from canonic.neurons.weighted import Step as Step
from canonic.neurons.weighted import gathered as gathered
from canonic.neurons.weighted import released as released
from canonic.neurons.weighted import shares as shares
from canonic.neurons.weighted import weighted_rest as weighted_rest
from canonic.neurons.weighted import weighted_run as weighted_run
from canonic.neurons.weighted import weighted_step as weighted_step
from canonic.neurons.weighted import worth_of as worth_of
