"""Independent references in numpy and float64, written digit by digit, without the library."""

import numpy as np


def quantise(z, steps):
    """The T-digit quantiser of relu(z) for beta = 2 and theta = 1: round to nearest, clip; and its signed digits.

    The digits are those of the greedy rule: the leading digit is the nearest of -1, 0, +1 to what is left. Exactly
    half-way between two levels both are nearest, and the digits decide.
    """
    lsb = 2.0 ** -(steps - 1)
    scaled = np.maximum(z, 0) / lsb
    level = np.clip(np.floor(scaled + 0.5), 0, 2**steps - 1)
    digits = np.zeros((steps, *np.shape(z)))
    rest = np.asarray(z, dtype=float).copy()
    fired = np.zeros(np.shape(z), dtype=bool)
    for m in range(steps):
        weight = 2.0**-m
        up = rest >= weight / 2
        down = (rest <= -weight / 2) & fired
        digits[m] = up.astype(float) - down
        fired |= up
        rest = rest - digits[m] * weight
    half_way = scaled % 1 == 0.5
    chosen = np.tensordot(0.5 ** np.arange(steps), digits, 1)
    return np.where(half_way, np.clip(chosen, lsb * (level - 1), lsb * level), level * lsb), digits


def neuron(currents, steps, silent, beta, phi, signed):
    """One neuron, straight from the equations of the specification: spikes, and the membrane at the end."""
    theta = beta**silent
    v, fired, spikes = 0.0, signed, []
    for t in range(1, steps + silent + 1):
        u = beta * v + (currents[t - 1] if t <= len(currents) else 0.0)
        s = 0
        if t > silent:
            bar = (0.5 if t == steps + silent else phi) * theta
            s = 1 if u >= bar else -1 if u <= -bar and fired else 0
            fired = fired or s == 1
            spikes.append(s)
        v = u - theta * s
    return spikes, v
