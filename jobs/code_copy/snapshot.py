"""The code as it is now: the files that jobs are to run, and the name that their contents give them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path, PurePosixPath

from jobs.store.provenance import UNCOMMITTED, uncommitted
from regularize.errors import UserError
from regularize.model_modules import model_modules
from regularize.store import ORIGIN, git_commit

ROOT = Path(__file__).parents[2]
PACKAGES = ("analysis", "cluster_configs", "jobs", "regularize")
REQUIREMENTS = "requirements.txt"
PAGES = "docs/"  # most of a checkout's bytes, and nothing that runs
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
        text = "".join(f"{path in self.executable:d}{_line(path, sum_)}" for path, sum_ in self.sums.items())
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]

    @cached_property
    def sums(self) -> Mapping[str, str]:
        """The SHA-256 of each file."""
        return {path: hashlib.sha256(content).hexdigest() for path, content in self.files.items()}

    def sums_text(self) -> str:
        """What `sha256sum --check` reads."""
        return "".join(_line(path, sum_) for path, sum_ in self.sums.items())

    def write(self, folder: Path) -> None:
        for path, content in self.files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(0o755 if path in self.executable else 0o644)

    def is_in(self, folder: Path) -> bool:
        """Whether every file is there as it is here; the folder may hold more."""
        try:
            return all((folder / path).read_bytes() == content for path, content in self.files.items())
        except OSError:
            return False


def _line(path: str, sum_: str) -> str:
    return f"{sum_}  {path}\n"


def take(root: Path = ROOT) -> Snapshot:
    """The tracked files of a checkout as they are now, without its pages, and new ones of its packages; of
    an installed package, its own files. Commit and differences from it are among the files.

    Raises:
        UserError: a file's name has a line break or a backslash in it.
    """
    files, executable = _read({path: root / path for path in _tracked(root) or _installed(root)})
    files |= _origin()
    files[REQUIREMENTS] = "".join(f"{line}\n" for line in _requirements(files)).encode()
    folders = tuple(folder for folder in _module_folders(root) if any(_within(p, folder) for p in files))
    return Snapshot(dict(sorted(files.items())), executable, folders)


def take_importable(
    named: Sequence[str], say: Callable[[str], None] = lambda _: None, root: Path = ROOT
) -> Snapshot:
    """As `take`, of the packages alone, and beside them the modules of these names (`model_modules`)."""
    packages = _tracked(root, PACKAGES) or _installed(root)
    places = {path: root / path for path in packages}
    files, executable = _read(places | model_modules(named, PACKAGES, say))
    return Snapshot(dict(sorted((files | _origin()).items())), executable)


def _read(places: Mapping[str, Path]) -> tuple[dict[str, bytes], frozenset[str]]:
    """What is in the files, by their path in the snapshot, and which can be executed."""
    files, executable = {}, set()
    for path, place in places.items():
        if "\n" in path or "\\" in path or "\r" in path:
            raise UserError(f"{path!r} cannot travel to a cluster: rename it, without \\ and line breaks")
        if place.is_file():  # not one that was removed since the commit
            files[path] = place.read_bytes()
            if place.stat().st_mode & stat.S_IXUSR:
                executable.add(path)
    return files, frozenset(executable)


def _origin() -> dict[str, bytes]:
    diff = uncommitted()
    return {ORIGIN: json.dumps({"commit": git_commit()}).encode()} | ({UNCOMMITTED: diff} if diff else {})


def _tracked(root: Path, packages: Iterable[str] = (".",)) -> list[str]:
    """The files that git knows, and those of the packages that are still new to it.

    None if the root is not that of a checkout.
    """
    if not (root / ".git").exists():
        return []
    known = _listed(root, "--cached", "--", *packages)
    new = _listed(root, "--others", "--exclude-standard", "--", *PACKAGES)
    return known and sorted({*known, *new})


def _listed(root: Path, *words: str) -> list[str]:
    command = ["git", "-C", str(root), "ls-files", "-z", *words]
    others = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=others)
    paths = (os.fsdecode(path) for path in done.stdout.split(b"\0") if path)
    return [path for path in paths if not path.startswith(PAGES)]


def _installed(root: Path) -> list[str]:
    """All files of the packages, but for what Python has compiled."""
    found = (path for package in PACKAGES for path in (root / package).rglob("*"))
    return [
        path.relative_to(root).as_posix()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts
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
