"""What lies in a folder of images as people have them: litter of desktops, files put away by clouds."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from regularize.errors import UserError

LITTER = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx")  # any spelling of capitals
AWAY = (".icloud", ".nextcloud", ".owncloud")  # end the name of what stands in a file's place


def visible(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder but hidden files and litter, sorted by name.

    Raises:
        UserError: it cannot be read, or a cloud folder has put files away.
    """
    try:
        with os.scandir(folder) as entries:
            every = list(entries)
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}") from error
    if away := sorted(entry.name for entry in every if entry.name.endswith(AWAY)):
        raise UserError(
            f"{folder / away[0]} stands for a file that a cloud folder has put away, one of {len(away):,} "
            f"here: have them downloaded to this disk (those of iCloud by `brctl download {folder}`)"
        )
    shown = [entry for entry in every if not entry.name.startswith(".") and not is_litter(entry.name)]
    return sorted(shown, key=lambda entry: entry.name)


def is_litter(name: str) -> bool:
    return name.lower() in LITTER


def litter(folders: Sequence[Path]) -> list[str]:
    """A sentence on what desktops left in the folders, if anything."""
    names = sorted({entry.name for folder in folders for entry in _entries(folder) if is_litter(entry.name)})
    return [f"left out, being the desktop's and no images: {', '.join(names)}"] if names else []


def composed(name: str) -> str:
    """A name in the one spelling of Unicode (NFC) that all that look alike share."""
    return unicodedata.normalize("NFC", name)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries
