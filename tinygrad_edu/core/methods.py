"""Bases of Tensor, Layer and Optimizer for type checkers: ``methods.pyi`` lists what is bound to them elsewhere."""

TensorMethods = LayerMethods = OptimizerMethods = object
