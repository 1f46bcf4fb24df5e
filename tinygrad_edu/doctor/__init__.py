"""Checks of gradients, ops, layers and update rules, and the names of the mistakes in them."""
