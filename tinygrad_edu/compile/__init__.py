"""A training step as machine code, behind one door: `step.compile_step`."""
