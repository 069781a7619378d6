"""Whether the environment lets steps on a GPU be graphs. Free of torch."""

from __future__ import annotations

from regularize.environment_choice import choice

SETTING = "REGULARIZE_GRAPHS"
"""Environment variable: `auto`, or `off` for steps that are computed as they come."""


def off() -> bool:
    """
    Raises:
        UserError: the setting is none.
    """
    return choice(SETTING, ("off",)) == "off"
