"""Conclusions, captions and results as text."""
