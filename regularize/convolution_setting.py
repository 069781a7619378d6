"""Which form of convolutions the environment names. Free of torch."""

from __future__ import annotations

from regularize.environment_choice import choice

SETTING = "REGULARIZE_CONVOLUTIONS"
"""Environment variable: `auto`, or one of these for all devices."""
NAMES = ("grouped", "grouped-first", "products", "vmap")
"""Of `convolution_forms.FORMS`."""


def named() -> str:
    """
    Raises:
        UserError: there is no such form.
    """
    return choice(SETTING, NAMES)
