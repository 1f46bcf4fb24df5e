"""The sitting: ops, the graph, losses, layers, flat buffers, kernels and optimizers, in at most 1,000 lines of code."""
