"""Networks of ImageNet in spikes, on photos."""
