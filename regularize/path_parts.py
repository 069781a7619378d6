"""The one form of what becomes a part of a path and comes out of a table or a file: ids and names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from regularize.errors import UserError

PART = r"[A-Za-z0-9_][A-Za-z0-9_.,=+-]{0,127}"
_PART = re.compile(PART)


def path_part(name: str) -> str:
    """The name as it is; `` stays what it is, too.

    Raises:
        UserError: it would lead elsewhere, or is no name.
    """
    if name and not _PART.fullmatch(name):
        raise UserError(f"{name[:60]!r} cannot be a part of a path: letters, digits and _ . , = + - can")
    return name


def check_parts(names: Iterable[object]) -> None:
    """
    Raises:
        ValueError: one of them is not of that form.
    """
    for name in names:
        if not isinstance(name, str) or not _PART.fullmatch(name):
            raise ValueError(f"{str(name)[:60]!r} is no id")
