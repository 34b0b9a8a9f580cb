"""An integer network in numpy int64, written from its definition: no float but at the border, none of the library."""

import numpy as np

LIMIT = 2**22


def population(currents, threshold, start, steps, silent, signed):
    """Spikes of a population with whole thresholds: [time, batch, *shape]."""
    v = np.zeros(currents.shape[1:], dtype=np.int64) + start
    gate = np.full(v.shape, signed)
    spikes = np.zeros((steps, *v.shape), dtype=np.int64)
    for t in range(steps + silent):
        u = 2 * v + (currents[t] if t < len(currents) else 0)
        if t >= silent:
            bar = threshold * 2**silent  # twice the bar, so that no half is needed
            up, down = 2 * u >= bar, (2 * u <= -bar) & gate
            spikes[t - silent] = up.astype(np.int64) - (down & ~up)
            gate = gate | up
            u = u - spikes[t - silent] * bar
        v = np.clip(u, -LIMIT, LIMIT)
    return spikes


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
