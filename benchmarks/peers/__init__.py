"""Other converters on the same small networks: ``make bench-peers``.

Each tool runs in an environment of its own, as ``python -m benchmarks.peers.<tool>_peer`` from the root of the
repository, and prints one JSON object; ``benchmarks.peers.run`` starts them all.
"""
