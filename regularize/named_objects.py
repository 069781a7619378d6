"""What users name as `package.module:name`: models, techniques, data sets, figures of their own.

Free of torch. This is the one place where such a name becomes an object, and so where code that is not
the project's is run.
A package that is installed can give its objects shorter names, by entry points:

    [project.entry-points."regularize.techniques"]
    max_norm = "my_package.my_module:MAX_NORM"
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from regularize.errors import RAISED, UserError
from regularize.own_code import check_trusted, look_here_too

_NAMED = re.compile(r"([A-Za-z_]\w*\.)*[A-Za-z_]\w*:[A-Za-z_]\w*", re.ASCII)
_HINT = "install its package, or put its folder on PYTHONPATH, here and where training happens"


def is_named(name: str) -> bool:
    """Whether it has the form `package.module:name`. Imports nothing."""
    return _NAMED.fullmatch(name) is not None


@cache
def installed(kind: str) -> Mapping[str, str]:
    """The entry points of the group `regularize.<kind>s`: short names, and what they stand for."""
    points = entry_points(group=f"regularize.{kind}s")
    return {point.name: point.value for point in points if is_named(point.value)}


def resolve(kind: str, name: str) -> Any:
    """The object of that name; `kind` says in errors what it was to be.

    Raises:
        UserError: in one line, what kept it from being imported, with the file and line where that is.
    """
    if name not in installed(kind).values():
        check_trusted([name], kind)
    module, _, attribute = name.partition(":")
    look_here_too()
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{kind} {name} cannot be imported: {_told(error)}; {_HINT}") from error
    except RAISED as error:  # whatever someone else's module raises
        raise UserError(f"{kind} {name} cannot be imported: {_told(error)}") from error


def place_of(error: BaseException) -> str:
    """The file and line that raised it, as ` (file.py:3)`; `` where that is Python's or ours."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    ours = str(Path(__file__).parent)
    if not frames or frames[-1].filename.startswith(("<frozen", ours)) or "importlib" in frames[-1].filename:
        return ""
    return f" ({frames[-1].filename}:{frames[-1].lineno})"


def _told(error: BaseException) -> str:
    kind = "" if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: "
    message = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{kind}{message}{place_of(error)}"
