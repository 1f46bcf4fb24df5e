"""Exercises, and their grading."""
