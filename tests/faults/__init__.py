"""Faults on purpose, over submissions with the real command line and real workers: `make faults N=…`."""
