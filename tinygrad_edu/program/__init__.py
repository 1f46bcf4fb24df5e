"""The gradient as straight-line NumPy: traced, written, run and differentiated once more."""
