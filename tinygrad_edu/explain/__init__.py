"""The backward pass as steps, tables and pictures, and the reason why a weight moved."""
