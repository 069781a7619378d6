"""Which code computes a result: a hash of what it does, whatever comments and docstrings say.

Free of torch: the submitting host asks, too.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from regularize.model_modules import model_modules
from regularize.named_objects import is_named

ROOT = Path(__file__).parent
LIBRARIES = ("torch", "numpy")
OURS = ("regularize", "jobs", "analysis", "cluster_configs")
MOST_OF_CODE = 50_000_000  # bytes of all sources; an archive may say that it has more
COMPILED = (".cpp", ".h")
# Files of this package that change no number: how files are found, written, fetched and spoken of.
NO_NUMBERS = frozenset(
    {
        "__init__.py",
        "alike.py",
        "arrow_columns.py",
        "code_identity.py",
        "checkpoint.py",
        "config_text.py",
        "cores.py",
        "data/fetch.py",
        "data/stage.py",
        "errors.py",
        "evaluation/measurement.py",
        "heartbeat.py",
        "memory.py",
        "model_modules.py",
        "named_objects.py",
        "opened.py",
        "origin.py",
        "own_code.py",
        "own_stores.py",
        "pack_files.py",
        "path_parts.py",
        "schemas.py",
        "stopwatch.py",
        "store.py",
        "store_links.py",
        "tables.py",
        "technique_words.py",
        "testing.py",
        "typed.py",
        "whole_files.py",
    }
)


@dataclass(frozen=True)
class Code:
    """The sources that compute a result, by path (a module of one's own under its name), and libraries."""

    sources: Mapping[str, str]
    libraries: Mapping[str, str]

    @cached_property
    def bare(self) -> dict[str, str]:
        """What each file does: without comments and docstrings."""
        return {path: _bare(path, text) for path, text in self.sources.items()}

    @cached_property
    def digests(self) -> dict[str, str]:
        """The same as hashes."""
        return {path: _hash(text) for path, text in self.bare.items()}

    @cached_property
    def name(self) -> str:
        """16 hex digits: equal names compute equal results on equal processors."""
        return _hash(json.dumps([self.digests, dict(self.libraries)], sort_keys=True))

    def take_name(self, name: str) -> None:
        """Of code that is the same to the letter: it need not be worked out again."""
        vars(self)["name"] = name

    def contradicts(self, other: Code) -> bool:
        """Whether a file that both have does something else in one, or a library is another."""
        if self.libraries != other.libraries:
            return True
        shared = self.sources.keys() & other.sources.keys()
        return any(
            self.sources[path] != other.sources[path] and self.bare[path] != other.bare[path]
            for path in shared
        )

    def to_bytes(self) -> bytes:
        """As a small archive, which `from_bytes` reads; it ends with the name."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, text in {**self.sources, "libraries.json": json.dumps(dict(self.libraries))}.items():
                # One date for all: the same code is the same bytes.
                archive.writestr(zipfile.ZipInfo(path), text, zipfile.ZIP_DEFLATED)
            archive.comment = self.name.encode()  # the last bytes
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Code:
        """
        Raises:
            ValueError: these are no such bytes.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(each.file_size for each in archive.infolist()) > MOST_OF_CODE:
                    raise ValueError(f"no code: more than {MOST_OF_CODE / 1e6:,.0f} MB")
                files = {name: archive.read(name).decode() for name in sorted(archive.namelist())}
            libraries = json.loads(files.pop("libraries.json"))
            return cls(files, {str(name): str(version) for name, version in libraries.items()})
        except (zipfile.BadZipFile, zlib.error, KeyError, AttributeError, EOFError, RuntimeError) as error:
            raise ValueError(f"no code: {error}") from None


@cache
def code_of(*names: str) -> Code:
    """The code that trains and measures runs with these models and techniques, as it is on disk now.

    Of one that is not the project's, its module (of a package, all of it) and what that imports of one's own.
    Nothing is imported.
    """
    sources = {path.relative_to(ROOT).as_posix(): _read(path) for path in _files(ROOT)}
    sources = {path: text for path, text in sources.items() if path not in NO_NUMBERS}
    for name in filter(is_named, names):
        sources |= own_sources(name)
    return Code(sources, {name: _version(name) for name in LIBRARIES})


def own_sources(name: str) -> dict[str, str]:
    """What `package.module:name` is made of, by path; nothing where no file is found."""
    found = model_modules([name], OURS)
    if not found:
        return dict(_installed(name.partition(":")[0].partition(".")[0]))
    return {path: _read(file) for path, file in found.items() if file.suffix == ".py"}


def _installed(top: str) -> Iterator[tuple[str, str]]:
    try:
        spec = find_spec(top)
    except ValueError:  # made in memory, such as in a notebook: there is no file to look at
        return
    if spec and spec.submodule_search_locations:
        for folder in map(Path, spec.submodule_search_locations):
            for path in _files(folder):
                yield f"{top}/{path.relative_to(folder).as_posix()}", _read(path)
    elif spec and spec.origin and Path(spec.origin).suffix == ".py":
        yield f"{top}.py", _read(Path(spec.origin))


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.suffix in (".py", *COMPILED) and path.is_file())
    # An editor's files are hidden ones, such as links to nowhere.
    return sorted(path for path in found if not path.name.startswith(".") and "__pycache__" not in path.parts)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@cache
def _bare(path: str, text: str) -> str:
    """The program without comments and docstrings; as it stands where it is not Python, or none."""
    if not path.endswith(".py"):
        return text
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    for node in _statements(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [each for each in node.body if not _is_text(each)] or [ast.Pass()]
    return ast.unparse(tree)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """A program and all statements in it; not expressions, most of a program, which hold no docstring."""
    yield tree
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        for inner in getattr(tree, name, ()):
            yield from _statements(inner)


def _is_text(statement: ast.stmt) -> bool:
    """Whether it is a docstring, also one of a field."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
