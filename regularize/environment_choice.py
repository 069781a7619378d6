"""A choice that an environment variable makes. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Iterable

from regularize.errors import UserError, one_of

AUTO = "auto"


def choice(variable: str, values: Iterable[str], where: str = "") -> str:
    """What the variable says, or `auto` where it says nothing; `where` it is to be one of the values.

    Raises:
        UserError: it is neither.
    """
    said, known = os.environ.get(variable) or AUTO, (AUTO, *values)
    if said not in known:
        raise UserError(f"{variable} is {said!r}{where}; {one_of(said, known)}")
    return said
