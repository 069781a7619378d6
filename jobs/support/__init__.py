"""Used by every room: numbers as people read them, and hangups."""
