"""The code as it is now: the files that travel to a cluster, and the name that their contents give them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path, PurePosixPath

from jobs.store.provenance import UNCOMMITTED, uncommitted
from regularize.errors import UserError
from regularize.store import ORIGIN, git_commit

ROOT = Path(__file__).parents[2]
PACKAGES = ("analysis", "cluster_configs", "jobs", "regularize")
REQUIREMENTS = "requirements.txt"
NAME = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Snapshot:
    """Files by their path in the snapshot, and which of them can be executed.

    `folders` are those of further modules, as `PYTHONPATH` names them here.
    """

    files: Mapping[str, bytes]
    executable: frozenset[str]
    folders: tuple[str, ...] = ()

    @cached_property
    def name(self) -> str:
        """The hash of all paths and contents."""
        marks = [f"{path in self.executable:d}" for path in self.files]
        text = "".join(f"{mark}{line}" for mark, line in zip(marks, self._lines(), strict=True))
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]

    def sums(self) -> str:
        """What `sha256sum --check` reads."""
        return "".join(self._lines())

    def write(self, folder: Path) -> None:
        for path, content in self.files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(0o755 if path in self.executable else 0o644)

    def _lines(self) -> Iterator[str]:
        for path, content in self.files.items():
            yield f"{hashlib.sha256(content).hexdigest()}  {path}\n"


def take(root: Path = ROOT) -> Snapshot:
    """The tracked files of a checkout as they are now; of an installed package, its own files.

    Commit and differences from it are among the files.

    Raises:
        UserError: a file's name has a line break or a backslash in it.
    """
    paths = sorted(_tracked(root) or _installed(root))
    files, executable = {}, set()
    for path in paths:
        if "\n" in path or "\\" in path or "\r" in path:
            raise UserError(f"{path!r} cannot travel to a cluster: rename it, without \\ and line breaks")
        place = root / path
        if place.is_file():  # not one that was removed since the commit
            files[path] = place.read_bytes()
            if place.stat().st_mode & stat.S_IXUSR:
                executable.add(path)
    files[ORIGIN] = json.dumps({"commit": git_commit()}).encode()
    if diff := uncommitted():
        files[UNCOMMITTED] = diff
    files[REQUIREMENTS] = "".join(f"{line}\n" for line in _requirements(files)).encode()
    folders = tuple(folder for folder in _module_folders(root) if any(_within(p, folder) for p in files))
    return Snapshot(dict(sorted(files.items())), frozenset(executable), folders)


def _tracked(root: Path) -> list[str]:
    """The files that git knows, none if the root is not that of a checkout."""
    if not (root / ".git").exists():
        return []
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return [os.fsdecode(path) for path in done.stdout.split(b"\0") if path]


def _installed(root: Path) -> list[str]:
    found = (path for package in PACKAGES for path in (root / package).rglob("*"))
    return [
        str(path.relative_to(root)) for path in found if path.suffix in (".py", ".yaml") and path.is_file()
    ]


def _requirements(files: Mapping[str, bytes]) -> list[str]:
    """What pip is to install: as the project asks for, without its extras."""
    if project := files.get("pyproject.toml"):
        return list(tomllib.loads(project.decode())["project"]["dependencies"])
    try:
        return [line for line in requires("regularize-sweeps") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        raise UserError("it is not known what regularize-sweeps requires: install it with pip") from None


def _module_folders(root: Path) -> Iterator[str]:
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        folder = Path(entry).resolve()
        if entry and folder != root and folder.is_relative_to(root):
            yield folder.relative_to(root).as_posix()


def _within(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)
