"""The update rules side by side, on surfaces and on data."""
