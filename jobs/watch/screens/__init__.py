"""What fills the terminal, one page at a time."""
