"""What one task executes."""
