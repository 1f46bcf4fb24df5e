"""Bases of Tensor and Optimizer for type checkers: ``methods.pyi`` lists what is bound to them elsewhere."""

TensorMethods = OptimizerMethods = object
