"""A list with a cursor that draws only the lines on the screen, and anew only those that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip


class Rows(ScrollView, can_focus=True):
    """Below a heading that stays, a row of `pitch` lines for each of `shown`; `open` is their page's.

    A row is drawn by `line`, from what `shown` has for it: where that stays equal, so does the row.
    """

    DEFAULT_CSS = "Rows { overflow-x: hidden; scrollbar-size-vertical: 1; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "down", show=False),
        Binding("k,up", "move(-1)", "up", show=False),
        Binding("g,home", "top", "top", show=False),
        Binding("G,end", "bottom", "bottom", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False),
        Binding("enter", "screen.open", "Open"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)  # two rows change with it, not all
    shown: Sequence[object] = ()
    pitch = 1

    class Moved(Message):
        """The cursor is elsewhere, or on something else."""

    class Headed(Message):
        """A click on the heading, `x` characters from the left."""

        def __init__(self, x: int) -> None:
            super().__init__()
            self.x = x

    @property
    def count(self) -> int:
        return len(self.shown)

    @property
    def current(self) -> object:
        """What is under the cursor."""
        raise NotImplementedError

    def heading(self, width: int) -> Text:
        raise NotImplementedError

    def line(self, index: int, width: int, part: int = 0) -> Text:
        """One of the `pitch` lines of a row."""
        raise NotImplementedError

    def highlight(self, text: Text) -> None:
        """Show that the cursor is on this line."""
        if self.app.no_color:
            text.stylize(Style(reverse=True))
            return
        text.stylize(Style(bgcolor="#2b4a66" if self.app.current_theme.dark else "#c6def3", bold=True))

    def replace(self, shown: Sequence[object]) -> None:
        """Show these, the cursor in the row of the same number."""
        before, self.shown = self.shown, shown
        self.on_resize()
        self.cursor = self.validate_cursor(self.cursor)
        first = self.scroll_offset.y // self.pitch
        visible = range(first, first + self.size.height // self.pitch + 1)
        other = [self._region(row) for row in visible if before[row : row + 1] != shown[row : row + 1]]
        self.refresh(Region(0, 0, self.size.width, 1), *other)  # the heading, and what is not as it was
        self.post_message(self.Moved())

    def _region(self, row: int) -> Region:
        """Where it is on the screen."""
        return Region(0, 1 + row * self.pitch - self.scroll_offset.y, self.size.width, self.pitch)

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, self.count - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        # One line more above: the heading covers it.
        region = Region(0, now * self.pitch, 1, self.pitch + 1)
        if self.scroll_to_region(region, animate=False, force=True):
            self.refresh()
        self.refresh(self._region(before), self._region(now))
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        index, part = divmod(y - 1 + self.scroll_offset.y, self.pitch)
        if y == 0:
            text = self.heading(width)
            text.stylize("bold")
        elif index < self.count:
            text = self.line(index, width, part)
            text.truncate(width, overflow="ellipsis", pad=True)
            if index == self.cursor and self.has_focus:
                self.highlight(text)
        else:
            text = Text()
        text.end = ""
        text.no_wrap = True
        text.truncate(width, pad=True)
        segments = Segment.apply_style(text.render(self.app.console), self.rich_style)
        return Strip(segments, width)

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, self.count * self.pitch + 1)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    async def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            self.post_message(self.Headed(event.x))
            return
        index = (event.y - 1 + self.scroll_offset.y) // self.pitch
        if index < self.count:
            self.cursor = index
            self.at_click(event)
            if event.chain == 2:
                await self.run_action("screen.open")

    def at_click(self, event: events.Click) -> None:
        """Where in its line it was."""

    def action_move(self, by: int) -> None:
        self.cursor += by

    def action_top(self) -> None:
        self.cursor = 0

    def action_bottom(self) -> None:
        self.cursor = self.count - 1

    def action_page(self, by: int) -> None:
        self.cursor += by * max(1, (self.size.height - 2) // self.pitch)
