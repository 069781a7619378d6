"""Do you mean it?"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static


class Confirm(ModalScreen[bool]):
    """True for yes. The answer under the cursor at first is no."""

    CSS = """
    Confirm { align: center middle; }
    Confirm > Vertical { width: 60; max-width: 90%; height: auto; padding: 1 2;
                         border: round $warning; background: $surface; }
    Confirm Horizontal { height: auto; padding: 1 0 0 0; align: right middle; }
    Confirm Button { margin: 0 0 0 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
        Binding("enter,space", "choose", show=False, priority=True),
        Binding("left,right,h", "app.focus_next", "other", show=False),
    ]

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self.question, self.yes = question, yes

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self.question, markup=False)
            with Horizontal():
                yield Button("No (n)", id="no", compact=True)
                yield Button(f"{self.yes} (y)", id="yes", variant="warning", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_choose(self) -> None:
        """The button under the cursor, at once: the next key is for another page."""
        self.dismiss(self.focused is not None and self.focused.id == "yes")

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)
