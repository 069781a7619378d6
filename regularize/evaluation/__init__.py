"""What trained networks are worth. Importing this package costs no torch."""
