"""What a store remembers of its submissions: runs, journal, packs, lock, provenance."""
