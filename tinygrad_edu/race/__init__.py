"""The update rules side by side, on loss surfaces and on data."""
