"""What of a picture has changed since the last look: the runs in blocks, each known by a digest.

Whoever asks says which blocks there are already, and is sent the others, of a large sweep mostly few.
Who answers remembers nothing, as each look over ssh is a process of its own.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from sys import intern
from typing import Any

from jobs.watch.picture import Picture, Run
from regularize.errors import UserError
from regularize.typed import checked, fits
from regularize.whole_files import parsed

BLOCK = 16  # runs
_DIGEST = 8  # characters, of six bytes
_MOST_VALUES = 8_000_000  # of an answer: those of half a million runs


@dataclass(frozen=True)
class Seen:
    """The runs of the last look, and the digests of their blocks, one behind the other."""

    runs: tuple[Run, ...] = ()
    digests: str = ""


def changes(picture: Picture, known: str) -> str:
    """A picture as JSON, with those runs alone of whose blocks the digest is not `known`."""
    changed = {}
    for number, block in enumerate(_blocks(picture.runs)):
        if known[number * _DIGEST : (number + 1) * _DIGEST] != _digest(block):
            changed[number] = block
    rest = replace(picture, runs=()).to_json()
    return json.dumps({"rest": rest, "runs": len(picture.runs), "changed": changed}, separators=(",", ":"))


def changed(text: str, seen: Seen) -> tuple[Picture, Seen]:
    """The picture that `changes` tells of, to one who has `seen` the last; runs that are as they were are the
    same objects.

    Raises:
        UserError: it is no such answer.
    """
    try:
        value = parsed(text.encode(), _MOST_VALUES)
        del text  # ten megabytes of a hundred thousand runs
        rest, count, new = value["rest"], int(value["runs"]), value["changed"]
        runs: list[Run] = []
        digests: list[str] = []
        for number in range(-(-count // BLOCK)):
            block = new.pop(str(number), None)  # so that it is not in memory twice
            runs += _block(seen, block, number)
            place = number * _DIGEST
            digests.append(seen.digests[place : place + _DIGEST] if block is None else _digest(block))
        if len(runs) < count:
            raise ValueError("a block is not whole")
        picture = replace(checked(Picture.from_json(rest)), runs=tuple(runs[:count]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"the answer cannot be read: {type(error).__name__}: {error}") from None
    return picture, Seen(picture.runs, "".join(digests))


def _block(seen: Seen, new: Any, number: int) -> Sequence[Run]:
    if new is None:
        return seen.runs[number * BLOCK : (number + 1) * BLOCK]
    runs = tuple(Run._make(map(_shared, values)) for values in new)
    if not fits(runs, tuple[Run, ...]):
        raise TypeError(f"runs are {str(runs)[:60]}")
    return runs


def _shared(value: Any) -> Any:
    """A word that many runs have, once in memory."""
    return intern(value) if isinstance(value, str) else value


def _blocks(runs: Sequence[Run]) -> list[Sequence[Run]]:
    return [runs[start : start + BLOCK] for start in range(0, len(runs), BLOCK)]


def _digest(block: Sequence[Sequence[Any]]) -> str:
    text = json.dumps(block, separators=(",", ":"))
    return b64encode(hashlib.blake2b(text.encode(), digest_size=6).digest()).decode()
