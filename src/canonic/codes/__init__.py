"""Codes: how the spikes of a population stand for numbers."""

from canonic.codes.css import CSS as CSS
