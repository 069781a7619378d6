"""Decoding a data set once, and finding it decoded. Free of torch."""

from __future__ import annotations

import dataclasses
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from regularize.data.brightness import full_range, statistics
from regularize.data.findings import findings
from regularize.data.form import Form
from regularize.data.functions import folder_name
from regularize.data.looks import first_look, identity, unchanged
from regularize.data.official import INCLUDED, OFFICIAL
from regularize.data.plain_name import PREPARED
from regularize.data.registry import VARIABLE, data_root, locate
from regularize.data.source import Facts, MissingDataError, Source
from regularize.data.stored import ARRAYS, Prepared, checksum, read_meta, write_array, write_meta
from regularize.errors import UserError
from regularize.named_objects import is_named

AS_IT_IS = Form()


def describe(name: str, root: Path | str | None = None, form: Form = AS_IT_IS) -> Facts:
    """A data set in numbers. Reads no file for an official one; prepares one's own.

    Raises:
        UserError: as `prepared`, for a set of one's own.
    """
    return OFFICIAL[name].facts.formed(form) if name in OFFICIAL else prepared(name, root, form).facts


def look(name: str, root: Path | str | None = None, form: Form = AS_IT_IS) -> tuple[Facts, Sequence[str]]:
    """A data set in numbers, and what is to be said of it, as far as that shows without decoding it.

    Headers and labels are read unless it is prepared.

    Raises:
        MissingDataError: files are not there.
        UserError: what is there is not as it should be.
    """
    root = data_root(root)
    folder = _folder(name, root, form)
    try:
        source = locate(name, root)
    except MissingDataError:
        if ready := _current(folder, None, root, checked=False):
            return ready.facts, ready.notes
        raise
    if ready := _current(folder, source, root, checked=False):
        return ready.facts, ready.notes
    facts = source.look(form)
    _check_official(name, facts, form)
    return facts, facts.notes


def prepared(
    name: str, root: Path | str | None = None, form: Form = AS_IT_IS, *, checked: bool = True
) -> Prepared:
    """The decoded data set: decoded now if it is not yet, if the source changed, or if it is torn or damaged.

    Where the source is gone, what was prepared from it serves. Any number of processes may call
    this at once. Damage shows only where it is `checked`.

    Raises:
        UserError: unknown, missing or damaged data, or a folder that cannot be written.
    """
    root = data_root(root)
    folder = _folder(name, root, form)
    try:
        source = locate(name, root)
    except MissingDataError as error:
        if ready := _current(folder, None, root, checked):
            return ready
        if damaged := _current(folder, None, root, checked=False):
            raise MissingDataError(f"{damaged.path('*')}: one of them is damaged, and {error}") from None
        raise
    if ready := _current(folder, source, root, checked):
        return ready
    try:
        with alone(folder):
            return _current(folder, source, root, checked) or _prepare(name, source, root, form)
    except OSError as error:
        raise UserError(
            f"cannot write to {folder}: {error.strerror or error}. Set {VARIABLE} to a folder that has room "
            "and that you can write to; the data may be links in it"
        ) from error


def content(name: str, root: Path | str | None = None, form: Form = AS_IT_IS) -> str:
    """`Prepared.content_hash` of a data set as it is now; `` where that is not known without decoding it."""
    root = data_root(root)
    with suppress(UserError):
        ready = _current(_folder(name, root, form), locate(name, root), root, checked=False)
        return ready.content_hash if ready else ""
    return ""


def _folder(name: str, root: Path, form: Form) -> Path:
    return root / PREPARED / f"{folder_name(name) if is_named(name) else name}{form.suffix}"


def _current(folder: Path, source: Source | None, root: Path, checked: bool) -> Prepared | None:
    """What is prepared, if it is whole and (unless None) of that source as it is now."""
    ready = read_meta(folder)
    if ready is None or not (ready.sound() if checked else ready.complete()):
        return None
    if source is None or unchanged(ready.looked, source, root):
        return ready
    files = source.files()
    looked = first_look(source, files, root)
    if identity(files, root) != ready.source:
        return None
    again = dataclasses.replace(ready, looked=looked)  # such as when a viewer left its files in a folder
    with suppress(OSError):
        write_meta(again)
    return again


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process works there and the others wait. Where files cannot be locked all do, to no harm."""
    _check_inside(folder)
    folder.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(folder / ".lock", flags, 0o666), "wb") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_inside(folder: Path) -> None:
    """
    Raises:
        UserError: `prepared/`, or the set's folder in it, is a link to elsewhere.
    """
    root = folder.parents[1].resolve()
    if not folder.resolve().is_relative_to(root):
        raise UserError(f"{folder} leads out of {root}, by a link: remove that; the data may be links")


def _prepare(name: str, source: Source, root: Path, form: Form) -> Prepared:
    files = source.files()
    looked, seen = first_look(source, files, root), identity(files, root)  # before they are read
    arrays = source.read(form)
    _check_official(name, arrays.facts, form)
    if name not in OFFICIAL:
        arrays = full_range(name, arrays, form)
    contents = {array: np.ascontiguousarray(getattr(arrays, array)) for array in ARRAYS}
    class_names = OFFICIAL[name].class_names if name in OFFICIAL else tuple(arrays.class_names)
    mean, std = statistics(name, arrays.train_images[: arrays.facts.train])
    found = [] if name in INCLUDED else findings(arrays, class_names)
    formed = [f"images were {form.words}"] if form else []
    ready = Prepared(
        folder=_folder(name, root, form),
        facts=arrays.facts,
        class_names=class_names,
        mean=mean,
        std=std,
        notes=(*arrays.facts.notes, *formed, *arrays.notes, *found),
        source=seen,
        looked=looked,
        checksum=checksum(contents),
        sizes={},
    )
    sizes = {array: write_array(ready.path(array), content) for array, content in contents.items()}
    ready = dataclasses.replace(ready, sizes=sizes)
    write_meta(ready)
    return ready


def _check_official(name: str, facts: Facts, form: Form) -> None:
    """Refuse files that go by an official name, but are not the official ones.

    Raises:
        UserError: says in which number they differ.
    """
    if name not in OFFICIAL:
        return
    official = OFFICIAL[name].facts.formed(form)
    for number in (field.name for field in dataclasses.fields(Facts) if field.compare):
        if (found := getattr(facts, number)) != (right := getattr(official, number)):
            raise UserError(f"{name}: {number} is {found} in its files, and {right} in the official ones")
