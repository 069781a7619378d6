"""The one door to the terminal: names, errors and logs are other people's, and reach it as text only.

Without it a name could set the title of a window or its clipboard, hide what is to be read, or turn the
order of letters around.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[P\]X^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of a text
    r"\U000e0000-\U000e007f]"
)


def plain(text: str) -> str:
    """A text that can do nothing to a terminal; of a line that was overwritten, what was left."""
    if text.isprintable():
        return text
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    return _CONTROLS.sub("", "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")))


def coloured(text: str) -> str:
    """The same, but colours stay: of a command's own output that comes from another machine."""
    parts = _COLOURS.split(text)
    return "".join(
        part + colour for part, colour in zip(map(plain, parts), [*_COLOURS.findall(text), ""], strict=True)
    )


class PlainStream:
    """A stream to which `print` writes."""

    def __init__(self, stream: IO[str]) -> None:
        self.beneath = stream

    def write(self, text: str) -> int:
        return self.beneath.write(plain(text))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)


@contextmanager
def plain_streams() -> Iterator[None]:
    """Whatever is printed in here is plain."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(Any, PlainStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
