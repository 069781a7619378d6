"""What somebody else's code raised, in one line with the line of its author's that it comes from.

Free of torch.
"""

from __future__ import annotations

import inspect
import sys
import sysconfig
import traceback
from pathlib import Path

_PROJECT = Path(__file__).parents[1]
_LIBRARIES = tuple(
    str(Path(folder).resolve())
    for folder in (
        *(str(_PROJECT / package) for package in ("regularize", "jobs", "analysis")),
        sysconfig.get_path("stdlib"),
        sys.base_prefix + "/lib",
    )
)


def told(error: BaseException, made: object) -> str:
    """The error in one line, with the line of its author's code that it comes from, or where `made` is."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message} ({_place(error) or defined(made)})"


def _place(error: BaseException) -> str:
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = str(Path(frame.filename).resolve())
        installed = "site-packages" in path or "dist-packages" in path
        if not installed and not path.startswith(_LIBRARIES) and not frame.filename.startswith("<"):
            return f"{frame.filename}:{frame.lineno}"
    return ""


def defined(made: object) -> str:
    """The file and line of a function or class."""
    try:
        return f"{inspect.getsourcefile(made)}:{inspect.getsourcelines(made)[1]}"  # type: ignore[arg-type]
    except (TypeError, OSError):
        return "in a library"
