"""The modules that models and techniques of one's own (`package.module:name`) are made of. None is imported.

A module is its file, a package all that lies in it, and with them what they import in turn. What is
installed beside Python is no part of it, nor is a package so large that it must hold more than code.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from regularize.own_code import search_path

LARGEST = 50e6
"""Bytes of a package beyond which it is no code of somebody's own, but a library, or has data in it."""

_INSTALLED = {"site-packages", "dist-packages"}
_PYTHONS = tuple({Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()})


def model_modules(
    models: Iterable[str], own: Iterable[str], say: Callable[[str], None] = lambda _: None
) -> dict[str, Path]:
    """Files by their path from the folder that is to be on Python's path.

    Args:
        models: and techniques, as a sweep names them; those without a colon are the project's.
        own: names of packages that travel anyway.
        say: is told what is too large.
    """
    left = [name.partition(":")[0] for name in models if ":" in name]
    seen, found = set(own), dict[str, Path]()
    while left:
        name = left.pop().partition(".")[0]
        if name in seen or name in sys.stdlib_module_names:
            continue
        seen.add(name)
        files = _files(name, say)
        found |= files
        left += [imported for path in files.values() if path.suffix == ".py" for imported in _imports(path)]
    return found


def _files(name: str, say: Callable[[str], None]) -> dict[str, Path]:
    """Those of a top-level module or package; none of one that is installed, compiled or not to be found."""
    spec = _spec(name)
    if spec is None:
        return {}
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not folders:
        path = Path(spec.origin or "")
        return {path.name: path} if path.suffix == ".py" and not _installed(path) else {}
    found: dict[str, Path] = {}
    for folder in folders:
        if _installed(folder):
            continue
        size = 0
        for path in _within(folder):
            size += path.stat().st_size
            if size > LARGEST:
                say(f"{folder} has more than {LARGEST / 1e6:.0f} MB: jobs import it as it is when they start")
                return {}
            found.setdefault(f"{name}/{path.relative_to(folder).as_posix()}", path)
    return found


def _spec(name: str) -> ModuleSpec | None:
    """Where `own_code.resolve` in this folder would find it."""
    with suppress(ImportError, ValueError, AttributeError):
        return PathFinder.find_spec(name, search_path()) or find_spec(name)
    return None


def _installed(path: Path) -> bool:
    path = path.resolve()
    return bool(_INSTALLED & set(path.parts)) or any(path.is_relative_to(python) for python in _PYTHONS)


def _within(folder: Path) -> Iterator[Path]:
    """All files but hidden ones and what Python has compiled."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _imports(path: Path) -> Sequence[str]:
    """What a file imports by a full name; nothing of one that is no Python."""
    with suppress(SyntaxError, ValueError, OSError):
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
        return [*names, *(node.module for node in froms if node.module)]
    return []
