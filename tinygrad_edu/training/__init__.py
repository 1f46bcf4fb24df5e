"""Data, the training loop, schedules, averages of weights, and pictures of a run."""
