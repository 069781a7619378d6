"""What was found out about a kind of machine by trying, kept in the user's cache. Free of torch.

A file for each question, in a folder that nodes of a cluster may share. The first answer stays: workers that
measure at the same time then go by one and the same, and a sweep's runs are computed alike.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from regularize.errors import UserError
from regularize.whole_files import read_json, write_json

CACHE = "REGULARIZE_MEASURED"
"""Environment variable: the folder of answers, else `regularize/measured` in the user's cache."""

Question = Mapping[str, Any]
"""Plain values: what is asked, of which machine."""


def folder() -> Path | None:
    """None where this user has no home folder."""
    if named := os.environ.get(CACHE):
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regularize" / "measured"
    except RuntimeError:
        return None


def recall(kind: str, question: Question) -> Any:
    """The answer, None if there is none; what is damaged is none."""
    path = _path(kind, question)
    with suppress(OSError, ValueError, UserError, KeyError, TypeError):
        if path and (found := read_json(path))["question"] == json.loads(json.dumps(question)):
            return found["answer"]
    return None


def remember(kind: str, question: Question, answer: Any) -> Any:
    """Keep an answer unless there is one by now; the one that is kept, or this where none can be."""
    path = _path(kind, question)
    if path is None:
        return answer
    own = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        write_json(own, {"question": question, "answer": answer})
        if path.exists() and recall(kind, question) is None:
            own.replace(path)  # in the place of a damaged one
        else:
            path.hardlink_to(own)  # which fails where there is one
    except (OSError, UserError):
        pass
    finally:
        with suppress(OSError):
            own.unlink()
    kept = recall(kind, question)
    return answer if kept is None else kept


def forget(kind: str, question: Question) -> None:
    """Let it be found out anew."""
    if path := _path(kind, question):
        with suppress(OSError):
            path.unlink()


def _path(kind: str, question: Question) -> Path | None:
    text = json.dumps(question, sort_keys=True, separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    found = folder()
    return found / f"{kind}-{digest}.json" if found else None
