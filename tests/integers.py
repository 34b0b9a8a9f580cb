"""An integer network in numpy int64, written from its definition: no float but at the border, none of the library."""

import numpy as np

CURRENT = 2**23


def population(currents, threshold, start, steps, silent, signed, beta=2, levels=1, powers=False, caps=None):
    """Spikes of a population with whole thresholds, [time, batch, *shape]; caps are the largest prefixes, if any."""
    choose = nearest_power if powers else nearest
    v = np.zeros(currents.shape[1:], dtype=np.int64) + start
    prefix = np.zeros_like(v)
    spikes = np.zeros((steps, *v.shape), dtype=np.int64)
    top, limit = threshold * beta**silent, CURRENT // beta
    for t in range(steps + silent):
        u = beta * v + (currents[t] if t < len(currents) else 0)
        if t >= silent:
            least = -CURRENT if signed else -beta * prefix
            s = choose(u, top, levels, least, CURRENT if caps is None else caps[t - silent] - beta * prefix)
            prefix, spikes[t - silent], u = beta * prefix + s, s, u - top * s
        v = np.clip(u, -limit, limit)
    return spikes


def nearest(u, top, levels, least, most):
    """The digit of a membrane, and within bounds."""
    s = np.sign(u) * np.minimum((2 * np.abs(u) + top) // (2 * top), levels)
    return np.minimum(np.maximum(s, least), most)


def nearest_power(u, top, levels, least, most):
    """The nearest among 0, +-1, +-2, +-4, .. +-levels that are within bounds, the larger of two."""
    best, off = np.zeros_like(u), np.full_like(u, np.iinfo(np.int64).max)
    for size in (0, *(2**place for place in range(levels.bit_length()))):
        for digit in (size, -size):
            distance = np.abs(u - digit * top)
            better = (distance <= off) & (digit >= least) & (digit <= most)
            best, off = np.where(better, digit, best), np.where(better, distance, off)
    return best


def convolve(x, weight, stride, padding):
    """[rows, channels, height, width] by [out, in, kernel, kernel]."""
    x = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    size = weight.shape[-1]
    height, width = ((n - size) // stride + 1 for n in x.shape[2:])
    out = np.zeros((len(x), len(weight), height, width), dtype=np.int64)
    for i in range(height):
        for j in range(width):
            patch = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
            out[:, :, i, j] = np.einsum("bckl,ockl->bo", patch, weight)
    return out


def maximum(spikes, beta, size):
    """The digits of a max pooling of windows side by side: those of the largest prefix."""
    digits, prefix, before = [], 0, 0
    for step in spikes:
        prefix = beta * prefix + step
        rows = prefix.reshape(*prefix.shape[:2], prefix.shape[2] // size, size, prefix.shape[3] // size, size)
        largest = rows.max((3, 5))
        digits.append(largest - beta * before)
        before = largest
    return np.stack(digits)
