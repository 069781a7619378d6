"""Animations of the toy problem."""
