"""To be read in one sitting: ops, graph, losses, layers, buffers, kernels, optimizers; at most 1,000 lines of code."""
