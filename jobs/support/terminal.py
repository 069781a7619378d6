"""What commands print tables and colours with. Other people's names and words are text to it, and no more."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from jobs.support.plain_text import PlainStream, plain


class Terminal(Console):
    """A console whose texts are plain, and never markup; colours are those that its caller gives."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        stream = stream.beneath if isinstance(stream, PlainStream) else stream
        super().__init__(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=soft_wrap)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text))
