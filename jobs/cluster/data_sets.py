"""`regularize data`: which data sets there are, downloading them, and what a network sees of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from regularize.data import Facts, Form, look, prepared
from regularize.data.official import INCLUDED, OFFICIAL
from regularize.data.plain_name import PREPARED
from regularize.data.registry import data_root, locate, names
from regularize.errors import UserError, one_of
from regularize.store import write_whole

MISSING = "missing"


def fetch_all(wanted: Sequence[str], root: Path | None) -> None:
    """Download and prepare official data sets, saying what came of each.

    Raises:
        UserError: an unknown name (before anything is downloaded), or no connection.
    """
    from regularize.data.fetch import fetch

    for name in wanted:
        if name not in OFFICIAL:
            raise UserError(f"only official data sets can be fetched, not {name!r}; {one_of(name, OFFICIAL)}")
    for name in wanted:
        ready = fetch(name, root)
        print(f"{name}: {ready.facts.train:,} + {ready.facts.test:,} images, in {ready.folder}")


def listing(root: Path | None) -> Table:
    """Every data set that a sweep may name, and whether its files are there and can be read."""
    folder = data_root(root)
    columns = ("data set", "train", "validation", "test", "classes", "each", "files")
    table = Table(*columns, box=None, pad_edge=False)
    table.caption = Text(f"in {folder}; `regularize data fetch NAME` downloads what is {MISSING}")
    table.caption_justify = "left"
    for name in names(folder):
        facts, state = _state(name, folder)
        table.add_row(name, *_numbers(facts), Text(state))
    return table


def show(name: str, root: Path | None, form: Form, out: Path | None) -> Table:
    """Draw a contact sheet, and say in numbers and words what a network sees.

    Raises:
        UserError: as preparation, or no place for the sheet.
    """
    ready = prepared(name, root, form)
    table = Table("", "", box=None, show_header=False, pad_edge=False)
    facts = ready.facts
    parts = {"training": facts.train, "validation": facts.validation, "test": facts.test}
    table.add_row("examples", ", ".join(f"{count:,} {part}" for part, count in parts.items() if count))
    table.add_row("each", "×".join(map(str, facts.shape)) + (" (channels, rows, columns)" * (facts.side > 1)))
    table.add_row("classes", Text(f"{facts.classes}: {', '.join(ready.class_names)}".removesuffix(": ")))
    table.add_row("mean, deviation", f"{_rounded(ready.mean)}, {_rounded(ready.std)}")
    table.add_row("content", ready.content_hash)
    for note in ready.notes:
        table.add_row("note", Text(note))
    if facts.side > 1:
        path = out or Path(f"{name}{form.suffix}.png")
        _sheet(name, root, form, path)
        table.add_row("contact sheet", Text(str(path)))
    return table


def _sheet(name: str, root: Path | None, form: Form, path: Path) -> None:
    from regularize.data import load
    from regularize.data.contact_sheet import draw

    data = load(name, root, form)
    images, labels = data.train_images.numpy(), data.train_labels.numpy()
    first = len(labels) - data.validation
    parts = {"training": (images[:first], labels[:first])}
    if data.validation:
        parts["validation"] = (images[first:], labels[first:])
    parts["test"] = (data.test_images.numpy(), data.test_labels.numpy())
    sheet = draw(parts, data.class_names)
    try:
        write_whole(path, lambda temporary: sheet.save(temporary, "PNG"))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


def _rounded(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _numbers(facts: Facts | None) -> tuple[str, ...]:
    if facts is None:
        return ("",) * 5
    parts = (f"{facts.train:,}", f"{facts.validation:,}" if facts.validation else "", f"{facts.test:,}")
    size = f"{facts.side}×{facts.side}×{facts.channels}" if facts.side > 1 else f"{facts.channels} numbers"
    return (*parts, f"{facts.classes}", size)


def present(folder: Path) -> list[str]:
    """The data sets of a data root whose files are there, without those that come with the toolkit."""
    return [name for name in names(folder) if name not in INCLUDED and _there(name, folder)]


def _there(name: str, folder: Path) -> bool:
    try:
        locate(name, folder)
    except UserError:
        return (folder / PREPARED / name / "meta.json").exists()
    return True


def _state(name: str, folder: Path) -> tuple[Facts | None, str]:
    """What is known of a data set, and whether it can be had."""
    known = OFFICIAL[name].facts if name in OFFICIAL else None
    if name in OFFICIAL and not _there(name, folder):
        return known, MISSING
    try:
        facts, _ = look(name, folder)
    except UserError as error:
        return known, str(error)
    return facts, "included" if name in INCLUDED else "there"
