"""How old what is shown is, and why."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from jobs.support.readable_numbers import duration

LATE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """`age` is of the data, None before there are any, `asked` of the question that has no answer yet.

    All are seconds. `every` is how often they are asked for; `trouble` what went wrong the last time.
    """

    age: float | None
    every: float
    asked: float | None = None
    trouble: str = ""
    paused: bool = False

    @property
    def stale(self) -> bool:
        return not self.paused and self.age is not None and self.age > max(3 * self.every, LATE_SECONDS)

    def text(self) -> Text:
        if self.age is None:
            waiting = f"asking for {duration(self.asked)}" if self.asked and self.asked >= 2 else "asking"
            return Text(self.trouble or waiting, style="bold yellow" if self.trouble else "dim")
        age = "now" if self.age < 1.5 else f"{duration(self.age)} ago"
        if self.paused:
            return Text(f"‖ paused, {age}", style="bold yellow")
        if self.stale or self.trouble:
            why = f": {self.trouble}" if self.trouble else ""
            return Text(f"STALE, {age}{_short(why)}", style="bold red" if self.stale else "bold yellow")
        return Text(age, style="dim")


def _short(text: str, most: int = 40) -> str:
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= most else f"{line[: most - 1]}…"
