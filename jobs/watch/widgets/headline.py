"""The top of every page: counts, progress, throughput, what is left, and how old all that is."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text
from textual.widget import Widget

from jobs.watch.freshness import Freshness
from jobs.watch.header_words import counts, done, pace, phases
from jobs.watch.picture import Picture
from jobs.watch.state_looks import looks
from jobs.watch.widgets.stacked import stacked


class Headline(Widget):
    """Three lines."""

    DEFAULT_CSS = "Headline { height: 3; padding: 0 1; }"

    picture: Picture | None = None
    freshness: Freshness | None = None
    now: datetime | None = None

    def show(self, picture: Picture | None, freshness: Freshness, now: datetime) -> None:
        self.picture, self.freshness, self.now = picture, freshness, now
        self.refresh()

    def render(self) -> Text:
        width = self.content_size.width
        age = self.freshness.text() if self.freshness else Text()
        if self.picture is None or self.now is None:
            return _apart(Text("regularize watch", style="bold"), age, width)
        picture, palette = self.picture, looks(self.app.current_theme.dark)
        title, place = Text(picture.sweep, style="bold"), f" on {picture.place}"
        words = "".join(f"   {part}" for part in (done(picture), phases(picture)) if part)
        if title.cell_len + len(place) + len(words) + age.cell_len < width:  # or it would cut what is done
            title.append(place, style="not bold dim")
        title.append(words, style="not bold")
        words = f" {int(100 * picture.share):>3}%  {pace(picture, self.now)}"
        progress = stacked(picture.all, max(10, width - len(words)), palette)
        states = counts(picture.total, palette)
        if states.cell_len > width:
            states = counts(picture.total, palette, short=True)
        return Text("\n").join([_apart(title, age, width), progress.append(words), states])


def _apart(left: Text, right: Text, width: int) -> Text:
    """One text at each end of a line; the right one stays whole."""
    left.truncate(max(0, width - right.cell_len - 1), overflow="ellipsis")
    return left.append(" " * max(1, width - left.cell_len - right.cell_len)).append_text(right)
