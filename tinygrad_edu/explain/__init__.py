"""The backward pass as steps, tables and pictures, and the reasons for which a weight moved."""
