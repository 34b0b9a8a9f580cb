"""Examples: small networks of other kinds than the CIFAR-10 ResNets, and how they are trained."""
