"""Runs → packs → slices → arrays, and what they cost."""
