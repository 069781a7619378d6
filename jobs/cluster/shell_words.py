"""Words for a shell, from what a person has written in a file. Nothing of it is ever run."""

from __future__ import annotations

import re
from shlex import quote

_TILDE = re.compile(r"~[A-Za-z0-9_.-]*(?=/|$)")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)


def path(text: str) -> str:
    """A path as a shell word: `~` at its beginning and variables are replaced there, all else is literal.

    A variable that is not set ends the script.
    """
    tilde = _TILDE.match(text)
    begin = tilde[0] if tilde else ""
    rest = text[len(begin) :]
    if begin and rest.startswith("/"):
        begin, rest = f"{begin}/", rest[1:]
    words, end = [begin], 0
    for found in _VARIABLE.finditer(rest):
        words += [_literal(rest[end : found.start()]), f'"${{{found[1] or found[2]}:?is not set}}"']
        end = found.end()
    return "".join([*words, _literal(rest[end:])]) or "''"


def _literal(text: str) -> str:
    return quote(text) if text else ""
