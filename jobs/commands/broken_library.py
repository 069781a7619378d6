"""A library that does not load, whatever it raises then: one line with its name, and whose it may be."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_OURS = ("analysis", "jobs", "regularize", "__main__")


def broken(error: Exception) -> str:
    """What to say of an error that somebody else's library raised as it was loaded; empty if it is none such.

    Two versions that do not fit raise anything: ImportError, ValueError (numpy.dtype size changed),
    AttributeError, SyntaxError, OSError where a shared object is missing.
    """
    name = _name(error)
    if not name:
        return ""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    line = next((line for line in lines if line.startswith("Original error")), lines[0])
    kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
    text = f"{name} cannot be loaded in this environment: {kind}{line}"
    if path := os.environ.get("PYTHONPATH"):
        text += f"; PYTHONPATH is {path}, perhaps a module's: unset it, or load another module"
    return text


def _name(error: Exception) -> str:
    """Of the library; empty where the error was not in loading one."""
    if isinstance(error, ImportError) and not _ours(error.name or ""):
        return error.name or "a library"
    modules = [
        str(frame.f_globals.get("__name__", ""))
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name == "<module>"
    ]
    if foreign := [module for module in modules if not _ours(module)]:
        return foreign[0].partition(".")[0]
    unread = str(error.filename) if isinstance(error, SyntaxError) else ""
    ours = tuple(f"{_ROOT / package}{os.sep}" for package in _OURS)
    return unread if Path(unread).is_file() and not unread.startswith(ours) else ""


def _ours(module: str) -> bool:
    return module.partition(".")[0] in _OURS
