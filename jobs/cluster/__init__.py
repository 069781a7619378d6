"""Cluster configs, and where their stores and data sets are."""
