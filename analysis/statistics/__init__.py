"""Choosing strengths, comparing with the baseline, and what may be said of it."""
