"""Figures of collected tables, a file each; what they share is in `parts`, their table in `catalogue`."""
