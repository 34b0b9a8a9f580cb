"""Goals: what a network must keep and what it shall save, and the search for the member of the family that does."""

from canonic.goals.convert import convert as convert
from canonic.goals.goal import Goal as Goal
