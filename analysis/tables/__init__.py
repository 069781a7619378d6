"""The packs' many small tables as a few large ones, and reading those."""
