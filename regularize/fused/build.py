"""The compiled kernels: for which instructions, by which compiler, kept where. Free of torch.

They are built where they are first needed, in a few seconds, and kept in a cache folder that the
nodes of a cluster may share. A library is for LeNets of one pair of numbers of filters; its name says which,
what it was made of and for which instructions, and no others are used (`-march=native` would break on the
next node). It is in its place only once it has been tested, whole, and with a checksum beside it.

A host with a compiler may `prepare` libraries for others, which it cannot test: they lie beside that place
until one that knows the instructions has tested them.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from regularize.errors import UserError
from regularize.fused.reach import USUAL, Filters
from regularize.store import write_bytes

SOURCES = Path(__file__).parent
CACHE = "REGULARIZE_KERNEL_CACHE"
"""Environment variable: the folder of compiled libraries, else `regularize/kernels` in the user's cache."""

_COMMON = ("-O3", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC")
NO_COMPILER = "no compiler found"
_COMPILE_SECONDS, _LOCK_SECONDS = 120.0, 180.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """What to compile for: numbers in a vector, what a processor must know, a network's filters."""

    name: str
    lanes: int
    machines: frozenset[str]
    features: frozenset[str] = frozenset()  # as /proc/cpuinfo calls them, and with -m the compilers
    filters: Filters = USUAL

    @property
    def flags(self) -> list[str]:
        first, second = self.filters
        sizes = [f"-DLANES={self.lanes}", f"-DFIRST={first}", f"-DSECOND={second}"]
        return [*sizes, *(f"-m{name}" for name in sorted(self.features))]


_X86, _ARM = frozenset({"x86_64", "amd64"}), frozenset({"aarch64", "arm64"})
_AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma"})
TARGETS = (  # the widest first
    Target(name="avx512", lanes=16, machines=_X86, features=_AVX512),
    Target(name="avx2", lanes=8, machines=_X86, features=frozenset({"avx2", "fma"})),
    Target(name="neon", lanes=4, machines=_ARM),
)


class BuildError(Exception):
    """There is no compiled library, and why, in a few words."""


def targets(filters: Filters = USUAL) -> list[Target]:
    """Those that this processor knows, the widest first, for a network of so many filters."""
    machine, features = platform.machine().lower(), _features()
    known = [each for each in TARGETS if machine in each.machines and each.features <= features]
    return [replace(each, filters=filters) for each in known]


def _features() -> frozenset[str]:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("flags"):
                return frozenset(line.partition(":")[2].split())
    return frozenset()


def compilers() -> list[list[str]]:
    """Commands that may compile C++: what CXX names, the machine's own, the one in the wheel `ziglang`.

    Raises:
        UserError: CXX is no command.
    """
    try:
        named = shlex.split(os.environ.get("CXX", ""))
    except ValueError as error:
        raise UserError(f"CXX is {os.environ['CXX']!r}, which is no command ({error})") from None
    own = [[path] for name in ("c++", "g++", "clang++", "cc") if (path := shutil.which(name))]
    zig = [[sys.executable, "-m", "ziglang", "cc"]] if find_spec("ziglang") else []
    return [command for command in (named, *own, *zig) if command]


def cache_folder() -> Path:
    if named := os.environ.get(CACHE):
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regularize" / "kernels"
    except RuntimeError:  # this user has no home folder
        return Path(os.devnull, "kernels")  # which cannot be: each process builds for itself


def cached(target: Target) -> Path:
    """Where its library is, once it was built."""
    digest = hashlib.sha256(repr((_COMMON, target.flags)).encode())
    for path in (*_files("h"), *_files("cpp")):
        digest.update(path.read_bytes())
    first, second = target.filters
    return cache_folder() / f"kernels-{target.name}-{first}-{second}-{digest.hexdigest()[:16]}.so"


def _files(suffix: str) -> list[Path]:
    return sorted(SOURCES.glob(f"*.{suffix}"))


def library(target: Target, test: Callable[[Path], None]) -> Path:
    """The compiled library for `target`; one that was just built or prepared has passed `test`, which raises.

    Processes that need it at once build it once: the others wait.

    Raises:
        BuildError: none was prepared, and no compiler made one, that passes.
        UserError: CXX is no command.
    """
    path = cached(target)
    if _sound(path):
        return path
    try:
        with _lock(path.with_suffix(".lock")):
            if not _sound(path):
                _put(path, _built(target, test))
            return path
    except (OSError, UserError):  # a cache that cannot be written, or locked: for this process alone
        return _kept_until_exit(_built(target, test))


def ready(target: Target) -> bool:
    """Whether its library is there, be it only prepared."""
    path = cached(target)
    return _sound(path) or _sound(_prepared(path))


def prepare(filters: Filters = USUAL) -> str:
    """Compile for all processors of this machine's kind what the cache lacks, for hosts without a compiler.

    Returns why that cannot be; empty if it is all there.

    Raises:
        UserError: CXX is no command.
    """
    wanted = lacking(filters)
    if wanted and not compilers():
        return NO_COMPILER
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(_prepare, wanted))
    except BuildError as error:
        return str(error)
    except (OSError, UserError) as error:
        return f"{cache_folder()} cannot be written ({error})"
    return "" if _of_machine() else f"there are no fused stages for {platform.machine().lower()}"


def lacking(filters: Filters = USUAL) -> list[Target]:
    """What `prepare` would compile."""
    wanted = [replace(each, filters=filters) for each in _of_machine()]
    return [each for each in wanted if not ready(each)]


def _of_machine() -> list[Target]:
    machine = platform.machine().lower()
    return [each for each in TARGETS if machine in each.machines]


def problem(target: Target) -> str:
    """Why this host's compilers make no library for `target`; empty where one does, which is then prepared.

    Raises:
        UserError: CXX is no command.
    """
    if not compilers():
        return NO_COMPILER
    try:
        try:
            _prepare(target)
        except (OSError, UserError):  # a cache that cannot be written, or locked
            _built(target, _load)
    except BuildError as error:
        return str(error)
    return ""


def _prepare(target: Target) -> None:
    path = cached(target)
    with _lock(path.with_suffix(".lock")):
        if not ready(target):
            _put(_prepared(path), _built(target, _load))


def _load(path: Path) -> None:
    """All of the test that a host can do without knowing the instructions.

    Raises:
        BuildError: it cannot be loaded.
    """
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        raise unloadable(path, error) from None


def unloadable(path: Path, error: Exception) -> BuildError:
    """In the same words for each process, whatever folder it has compiled in."""
    return BuildError(f"the library cannot be loaded ({str(error).replace(str(path), path.name)})")


def _prepared(path: Path) -> Path:
    """Where a library waits for its test."""
    return path.with_name(f"{path.stem}.untested.so")


def _sound(path: Path) -> bool:
    """Whether a library is there and is what was written."""
    with suppress(OSError):
        return _sum_of(path).read_bytes() == _sum(path.read_bytes())
    return False


def _put(path: Path, content: bytes) -> None:
    write_bytes(path, content)
    write_bytes(_sum_of(path), _sum(content))


def _sum_of(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _sum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _kept_until_exit(content: bytes) -> Path:
    folder = tempfile.TemporaryDirectory(prefix="regularize-kernels-")
    _UNTIL_EXIT.append(folder)
    path = Path(folder.name) / "kernels.so"
    path.write_bytes(content)
    return path


_UNTIL_EXIT: list[tempfile.TemporaryDirectory[str]] = []


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the lock `path`; the system releases that of a process that ends.

    Raises:
        OSError: it cannot be had.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + _LOCK_SECONDS
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield


def _built(target: Target, test: Callable[[Path], None]) -> bytes:
    """The one that was prepared, or by the first compiler whose library passes the test.

    Raises:
        BuildError: there is none, or why that of the first one does not do.
    """
    problems = []
    prepared = _prepared(cached(target))
    if _sound(prepared):
        try:
            test(prepared)
            return prepared.read_bytes()
        except (BuildError, OSError) as error:
            problems.append(f"the library from another host: {error}")
    with tempfile.TemporaryDirectory(prefix="regularize-kernels-") as folder:
        for number, compiler in enumerate(compilers()):
            path = Path(folder) / f"{number}.so"  # a name each: a library that is loaded stays loaded
            try:
                _compile(compiler, target, path)
                test(path)
                return path.read_bytes()
            except BuildError as error:
                problems.append(f"{Path(compiler[0]).name}: {error}")
    raise BuildError(problems[0] if problems else NO_COMPILER)


def _compile(compiler: list[str], target: Target, path: Path) -> None:
    sources = map(str, _files("cpp"))
    command = [*compiler, "-x", "c++", *_COMMON, *target.flags, *sources, "-o", str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_COMPILE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"cannot be run ({type(error).__name__})") from None
    if done.returncode != 0 or not path.exists():
        said = [line.strip() for line in done.stderr.splitlines() if "error" in line.lower()]
        raise BuildError((said or [f"exit code {done.returncode}"])[0][:200])
