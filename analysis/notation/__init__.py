"""How numbers with their uncertainty, methods and tables are written."""
