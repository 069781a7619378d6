"""Beside or below the heat map: what waits, what trains, what failed."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from jobs.watch.header_words import active, waiting
from jobs.watch.picture import Picture
from jobs.watch.state_looks import looks


class Activity(Widget):
    DEFAULT_CSS = "Activity { padding: 0 1; }"

    picture: Picture | None = None

    def show(self, picture: Picture) -> None:
        self.picture = picture
        self.refresh()

    def render(self) -> Text:
        if self.picture is None:
            return Text()
        return Text("\n").join(self._lines(self.picture, self.content_size.width, self.content_size.height))

    def _lines(self, picture: Picture, width: int, height: int) -> list[Text]:
        palette = looks(self.app.current_theme.dark)
        trouble = [(f"{group.runs:,} × {group.message}", palette["failed"].ink) for group in picture.failures]
        trouble += [(text, palette["interrupted"].ink) for text in picture.warnings]
        queue = [
            (waiting(queue), palette["queued"].ink) for queue in picture.queue if queue.state != "RUNNING"
        ]
        training = [(active(pack), palette["running"].ink) for pack in picture.active]
        parts = [("needs you", trouble), ("waiting", queue), ("training", training)]
        shown = [(title, lines) for title, lines in parts if lines]
        if height < 3 * len(shown) + 2:
            return [summary(title, lines, width) for title, lines in shown]
        room = (height - 2 * len(shown) + 1) // max(1, len(shown))
        found: list[Text] = []
        for number, (title, lines) in enumerate(shown):
            found += [Text("")] if found else []
            last = number == len(shown) - 1
            found += section(title, lines, height - len(found) - 1 if last else room, width)
        return found


def summary(title: str, lines: list[tuple[str, str]], width: int) -> Text:
    """The first of them, and how many more there are, in one line."""
    words, style = lines[0]
    more = f"  + {len(lines) - 1} more" if len(lines) > 1 else ""
    text = Text(f"{title:<10} ", style="bold").append(words, style=Style.parse(f"not bold {style}"))
    text.truncate(width - len(more), overflow="ellipsis")
    return text.append(more, style="dim")


def section(title: str, lines: list[tuple[str, str]], most: int, width: int) -> list[Text]:
    """A heading and at most so many lines, each of one line of text."""
    kept = lines if len(lines) <= most else lines[: max(0, most - 1)]
    found = [Text(title, style="bold"), *(Text(words, style=style) for words, style in kept)]
    for text in found:
        text.truncate(width, overflow="ellipsis")
    if len(kept) < len(lines):
        found.append(Text(f"and {len(lines) - len(kept):,} more", style="dim"))
    return found
