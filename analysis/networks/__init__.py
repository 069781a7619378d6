"""What is computed from trained weights."""
