"""How fast the spiking network runs, as ratios to its source in the same process: ``make bench-speed``."""
