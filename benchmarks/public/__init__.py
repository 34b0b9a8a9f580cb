"""Trained networks of others, with weights from packages and from ../shared: ``make bench-public``."""
