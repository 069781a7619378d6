"""Compiling and keeping the kernels: at once, with broken compilers, with damaged files."""

from __future__ import annotations

import ctypes
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from regularize.errors import UserError
from regularize.fused import build
from regularize.fused.trial import check

TARGET = build.targets()[0]
CODE = """
import ctypes, sys
from regularize.fused import build
print(build.library(build.targets()[0], lambda path: ctypes.CDLL(str(path))))
assert "torch" not in sys.modules
"""


def loads(path: Path) -> None:
    ctypes.CDLL(str(path))


Compiler = Callable[[str], Path]


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """Makes a compiler of a shell script's lines, the only one there is; `calls` counts its calls."""
    real = build.compilers()[0]

    def made(lines: str) -> Path:
        calls, script = tmp_path / "calls", tmp_path / "compiler"
        quick = f'real() {{ exec {shlex.join(real)} "${{@/-O3/-O0}}"; }}'
        script.write_text(f"#!/bin/bash\necho >> {calls}\n{quick}\n{lines}\n")
        script.chmod(0o755)
        monkeypatch.setenv("CXX", str(script))
        monkeypatch.setattr(build, "compilers", lambda: [[str(script)]])
        return calls

    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    return made


def test_processes_that_need_it_at_once_build_it_once(compiler, tmp_path):
    calls = compiler('real "$@"')
    command = [sys.executable, "-c", CODE]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate(timeout=120)[0] for process in started}
    assert [process.returncode for process in started] == [0] * 4
    assert said == {f"{build.cached(TARGET)}\n"}
    assert len(calls.read_text().splitlines()) == 1
    kept = sorted(path.suffix for path in (tmp_path / "cache").iterdir())
    assert kept == [".lock", ".sha256", ".so"]


def test_a_damaged_library_is_built_again(compiler):
    calls = compiler('real "$@"')
    path = build.library(TARGET, loads)
    content = path.read_bytes()

    def cut() -> None:
        path.write_bytes(content[:5000])

    def flipped() -> None:
        path.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])

    for number, damage in enumerate((cut, flipped, path.unlink, path.with_suffix(".sha256").unlink), 2):
        damage()
        assert build.library(TARGET, check) == path
        assert len(calls.read_text().splitlines()) == number
        build.library(TARGET, loads)
        assert len(calls.read_text().splitlines()) == number


def test_a_change_of_the_source_is_another_library(compiler, tmp_path, monkeypatch):
    compiler('real "$@"')
    before = build.cached(TARGET)
    other = tmp_path / "sources"
    shutil.copytree(build.SOURCES, other)
    monkeypatch.setattr(build, "SOURCES", other)
    assert build.cached(TARGET) == before
    (other / "pointwise.h").write_text((other / "pointwise.h").read_text() + "\n")
    assert build.cached(TARGET) != before


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("echo 'stages.cpp:1: fatal error: no such thing' >&2; exit 1", "no such thing"),
        ("kill -9 $$", "exit code -9"),
        ("exit 0", "exit code 0"),
        ('while [ "$1" != -o ]; do shift; done; echo rubbish > "$2"', "cannot be loaded"),
    ],
)
def test_a_library_that_is_not_right_is_not_kept(lines, words, compiler, tmp_path):
    calls = compiler(lines)
    with pytest.raises(build.BuildError, match=words):
        build.library(TARGET, check)
    assert calls.exists()
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("pointwise.h", "y[t] <= 0 ?", "y[t] < 0 ?"),  # relu's slope at zero
        ("pointwise.h", "(four[q] > most)", "(four[q] >= most)"),  # the last of equals
        ("pointwise.h", "| (four[q] != four[q])", ""),  # NaN
        ("pointwise.h", "1 / 6.f", "1 / 7.f"),  # tanh
        ("average.cpp", "OUTER = 1.7159f", "OUTER = 1.7f"),
        ("average.cpp", "24 - t]", "t]"),  # the convolution back to large images
        ("linear.cpp", "y[n * out + o] +=", "y[n * out + o] -="),
        ("linear.cpp", "if (n < width)", "if (false)"),
    ],
)
def test_a_library_that_computes_something_else_is_not_kept(
    file, right, wrong, compiler, tmp_path, monkeypatch
):
    compiler('real "$@"')
    other = tmp_path / "sources"
    shutil.copytree(build.SOURCES, other)
    text = (other / file).read_text()
    assert right in text
    (other / file).write_text(text.replace(right, wrong))
    monkeypatch.setattr(build, "SOURCES", other)
    with pytest.raises(build.BuildError, match="is not torch's"):
        build.library(TARGET, check)
    assert not build.cached(TARGET).exists()


def test_the_next_compiler_is_tried(tmp_path, monkeypatch):
    monkeypatch.setenv(build.CACHE, str(tmp_path))
    monkeypatch.setenv("CXX", "false")
    assert build.compilers()[0] == ["false"]
    assert build.library(TARGET, loads).exists()


def test_without_a_compiler_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv(build.CACHE, str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "find_spec", lambda _: None)
    with pytest.raises(build.BuildError, match="no compiler found"):
        build.library(TARGET, loads)


def no_compiler(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(build, "compilers", list)


def files_in(folder: Path) -> list[str]:
    return sorted("".join(path.suffixes[-2:]) for path in folder.iterdir())


def test_what_is_prepared_is_for_every_processor_and_is_tested_before_it_is_used(
    compiler, tmp_path, monkeypatch
):
    calls = compiler('real "$@"')
    assert build.prepare() == ""
    kinds = [each for each in build.TARGETS if TARGET.machines & each.machines]
    assert len(calls.read_text().splitlines()) == len(kinds)
    assert files_in(tmp_path / "cache") == sorted([".lock", ".untested.sha256", ".untested.so"] * len(kinds))
    assert build.prepare() == ""
    assert len(calls.read_text().splitlines()) == len(kinds), "what is there is not compiled again"

    no_compiler(monkeypatch)
    assert build.ready(TARGET)
    tested = []
    found = build.library(TARGET, lambda path: (tested.append(path), check(path))[1])
    assert (found, [path.suffixes for path in tested]) == (build.cached(TARGET), [[".untested", ".so"]])
    assert build.library(TARGET, check) == found
    assert len(tested) == 1


def test_processes_that_prepare_at_once_compile_once(compiler, tmp_path):
    calls = compiler('real "$@"')
    command = [sys.executable, "-c", "from regularize.fused import build; print(build.prepare())"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=120)[0] for process in started] == ["\n"] * 3
    assert len(calls.read_text().splitlines()) == len(list((tmp_path / "cache").glob("*.so")))


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no compiler found"), (b"rubbish", "the library from another host: .*cannot be loaded")],
)
def test_what_was_prepared_and_is_damaged_or_wrong_is_not_used(content, words, compiler, monkeypatch):
    calls = compiler('real "$@"')
    build.prepare()
    path = build.cached(TARGET)
    prepared = build._prepared(path)
    if content is None:
        prepared.write_bytes(prepared.read_bytes()[:5000])
    else:
        build._put(prepared, content)
    before = len(calls.read_text().splitlines())
    assert build.library(TARGET, check) == path
    assert len(calls.read_text().splitlines()) == before + 1, "this host's own compiler made it"
    path.unlink()
    no_compiler(monkeypatch)
    with pytest.raises(build.BuildError, match=words):
        build.library(TARGET, check)


def test_why_nothing_can_be_prepared(compiler, tmp_path, monkeypatch):
    compiler("exit 3")
    assert build.prepare() == "compiler: exit code 3"
    monkeypatch.setattr(build, "compilers", list)
    assert build.prepare() == "no compiler found"
    monkeypatch.undo()
    (tmp_path / "file").touch()
    monkeypatch.setenv(build.CACHE, str(tmp_path / "file"))
    assert build.prepare().startswith(f"{tmp_path / 'file'} cannot be written")
    monkeypatch.setattr(build.platform, "machine", lambda: "riscv64")
    assert build.prepare() == "there are no fused stages for riscv64"


def test_a_cache_that_a_node_cannot_write_to_serves_it(compiler, monkeypatch):
    compiler('real "$@"')
    build.prepare()
    no_compiler(monkeypatch)

    def read_only(*_: object) -> None:
        raise OSError("Read-only file system")

    monkeypatch.setattr(build, "_lock", read_only)
    path = build.library(TARGET, check)
    assert path.exists()
    assert not build.cached(TARGET).exists()


def test_a_compiler_that_is_no_command_is_an_error(monkeypatch):
    monkeypatch.setenv("CXX", 'g++ "')
    with pytest.raises(UserError, match=r"CXX is 'g\+\+ \"', which is no command \(No closing quotation\)"):
        build.compilers()


def test_where_nothing_can_be_kept_it_is_built_for_this_process(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(build.CACHE, str(tmp_path / "file" / "folder"))
    path = build.library(TARGET, check)
    assert path.exists()
    assert not path.is_relative_to(tmp_path)


def test_the_cache_is_the_users(tmp_path, monkeypatch):
    monkeypatch.delenv(build.CACHE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build.cache_folder() == tmp_path / "regularize" / "kernels"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert build.cache_folder() == Path.home() / ".cache" / "regularize" / "kernels"
