"""Keys in turn: each has done what it does before the next is looked at.

Textual hands a key to what has the focus, from there part by part up to the interface, and looks for its
binding there. Letters go a shorter way, so that of `abc`, Ctrl-U and `d` in one write `d` comes first and is
deleted, too; and a key behind Enter is of the page that Enter leaves. Here a key's binding is looked for at
once, and waited for.
"""

from __future__ import annotations

from textual.app import App
from textual.events import Event, Key, Paste
from textual.widgets import Input


class KeysInTurn(App[None]):
    """What a key does is text of an `Input`, or an action; one that opens a page ends when it is open."""

    async def on_event(self, event: Event) -> None:
        if isinstance(event, Key) and not event.is_forwarded:
            self.app_focus = True
            for key in parted(event):
                await self._press(key)
        elif isinstance(event, Paste) and not event.is_forwarded:
            await self._take(event.text)
        else:
            await super().on_event(event)

    async def pasted(self, line: str) -> None:
        """Where no `Input` has the focus."""

    async def _press(self, key: Key) -> None:
        field, character = self.focused, key.character
        if field:
            field.tooltip = None
        if isinstance(field, Input) and key.is_printable and character:
            field.replace(character, *field.selection)
        elif (bound := self.active_bindings.get(key.key)) and bound.enabled:
            await self.run_action(bound.binding.action, bound.node)

    async def _take(self, text: str) -> None:
        """The first line, as an `Input` has one; no key, whatever is in it."""
        line, field = (text.splitlines() or [""])[0], self.focused
        if isinstance(field, Input):
            field.replace(line, *field.selection)
        else:
            await self.pasted(line)


def parted(key: Key) -> list[Key]:
    """Escape and a letter that come together look like the letter with Alt, which does nothing here.

    >>> [each.key for each in parted(Key("alt+shift+g", "G"))], [each.key for each in parted(Key("g", "g"))]
    (['escape', 'G'], ['g'])
    """
    if key.key.startswith("alt+") and key.character and key.character.isalnum():
        return [Key("escape", "\x1b"), Key(key.character, key.character)]
    return [key]
