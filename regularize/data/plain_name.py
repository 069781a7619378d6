"""What a data set may be called: it is the name of a file or folder, and of columns. Free of numpy."""

from __future__ import annotations

import re

from regularize.errors import UserError
from regularize.named_objects import is_named

PREPARED = "prepared"  # the folder of the decoded sets, so not a name for one
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def check_name(name: str) -> None:
    """Raises `UserError` where nothing can be called so, and it is no function of one's own either."""
    if name == PREPARED or not (is_named(name) or NAME.fullmatch(name)):
        raise UserError(f"{name!r} cannot name a data set: up to 64 lower-case letters, digits, - and _ do")
