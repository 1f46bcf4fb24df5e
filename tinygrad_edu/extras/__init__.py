"""More of the same kinds: rarer ops, layers and update rules, and NumPy's functions on Tensors."""
