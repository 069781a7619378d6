"""What is to be shown on a GPU: `python -m tests.gpu`, or `make gpu`."""
