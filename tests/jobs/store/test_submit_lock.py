from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from jobs.store.submit_lock import LATE_SECONDS, TOUCH_SECONDS, LockedError, alive, submit_lock
from regularize.whole_files import sealed, unsealed

STALE_SECONDS = TOUCH_SECONDS + LATE_SECONDS

# Takes the lock when told to, says what came of it, and holds it until its input ends.
PROGRAM = """
import sys
import time
from pathlib import Path
from jobs.store.submit_lock import submit_lock
from regularize.errors import UserError
print("ready", flush=True)
sys.stdin.readline()
try:
    with submit_lock(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.readline()
except UserError as error:
    print(f"refused: {error}", flush=True)
"""


class Contender:
    """Another process that wants the lock."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-c", PROGRAM, str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.line() == "ready"

    def go(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "submit.lock"


def test_it_is_there_while_it_is_held_and_gone_afterwards(path: Path) -> None:
    with submit_lock(path):
        assert json.loads(path.read_text(encoding="utf-8"))["pid"] == os.getpid()
    assert list(path.parent.iterdir()) == []


def test_it_is_released_on_an_error(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), submit_lock(path):
        raise ZeroDivisionError
    assert list(path.parent.iterdir()) == []


def test_another_process_is_refused_until_the_holder_ends(path: Path) -> None:
    holder, other = Contender(path), Contender(path)
    holder.go()
    assert holder.line() == "held"
    other.go()
    assert f"this sweep is being submitted by process {holder.process.pid} on" in other.line()
    other.close()
    assert path.exists()
    holder.close()
    with submit_lock(path):
        pass


def test_the_lock_of_a_killed_process_is_taken_over_by_one_alone(path: Path) -> None:
    killed, *others = [Contender(path) for _ in range(5)]
    killed.go()
    assert killed.line() == "held"
    killed.process.kill()
    killed.close()
    for other in others:
        other.go()
    lines = sorted(other.line().partition(":")[0] for other in others)
    assert lines == ["held", "refused", "refused", "refused"]
    for other in others:
        other.close()
    assert list(path.parent.iterdir()) == []


def test_a_process_that_has_the_number_of_a_dead_holder_does_not_hold_its_lock(path: Path) -> None:
    with submit_lock(path):
        mine = unsealed(json.loads(path.read_text(encoding="utf-8")))
    boot, start = mine["born"].split()
    earlier = [f"{boot} {int(start) - 1}", f"{boot[::-1]} {start}"]  # and before the machine was started anew
    for began in earlier:
        path.write_text(json.dumps({**mine, "born": began}), encoding="utf-8")
        with submit_lock(path):
            found = unsealed(json.loads(path.read_text(encoding="utf-8")))
            assert found | {"since": mine["since"]} == mine
    of_a_version_before = {key: value for key, value in mine.items() if key != "born"}
    for living in (mine, {**mine, "born": None}, of_a_version_before):
        path.write_text(json.dumps(living), encoding="utf-8")
        with pytest.raises(LockedError), submit_lock(path):
            pass


def test_where_there_is_no_proc_ps_tells_who_has_the_number_of_a_dead_holder(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a Mac; and under whatever name the machine goes in the network of today."""
    monkeypatch.setattr("jobs.store.submit_lock._BOOT", path / "none")
    with submit_lock(path):
        mine = unsealed(json.loads(path.read_text(encoding="utf-8")))
    assert datetime.strptime(mine["born"], "%a %b %d %H:%M:%S %Y").year >= 2024
    for dead in ({"born": "Sat Jan  3 10:00:00 1998"}, {"pid": 2**22 - 3}):
        path.write_text(json.dumps(mine | dead), encoding="utf-8")
        with submit_lock(path):
            pass
    path.write_text(json.dumps(mine | {"host": "in-another-network"}), encoding="utf-8")
    silent = time.time() - 2 * STALE_SECONDS
    os.utime(path, (silent, silent))  # as after a sleep
    with pytest.raises(LockedError, match=re.escape(str(path))), submit_lock(path):
        pass


def test_a_holder_that_cannot_be_told_from_a_later_process_is_believed_as_long_as_it_is_heard_of(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.store.submit_lock.born", lambda pid: None)
    with submit_lock(path):
        mine = path.read_text(encoding="utf-8")
    path.write_text(mine, encoding="utf-8")
    with pytest.raises(LockedError), submit_lock(path):
        pass
    silent = time.time() - 2 * STALE_SECONDS
    os.utime(path, (silent, silent))
    with submit_lock(path):
        pass


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"host": "elsewhere", "pid": 1, "since": "today"}', "process 1 on elsewhere since today"),
        (b"", "is damaged: .* `regularize submit` again"),
        (b"\xff\xfe", "is damaged"),
        (b'{"host": "elsewhere"}', "is damaged"),
        (json.dumps(sealed({"pid": 1})).replace("1", "2", 1).encode(), "is damaged"),
    ],
)
def test_a_lock_that_cannot_be_judged_is_left_alone_until_it_is_stale(
    path: Path, text: bytes, words: str
) -> None:
    path.parent.mkdir()
    path.write_bytes(text)
    with pytest.raises(LockedError, match=words), submit_lock(path):
        pass
    assert path.read_bytes() == text
    assert list(path.parent.iterdir()) == [path]
    silent = time.time() - STALE_SECONDS - 60
    os.utime(path, (silent, silent))
    with submit_lock(path):
        assert json.loads(path.read_bytes())["pid"] == os.getpid()


def test_it_works_where_there_are_no_hard_links(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with submit_lock(path):
        assert json.loads(path.read_bytes())["pid"] == os.getpid()
        with pytest.raises(LockedError), submit_lock(path):
            pass
    assert list(path.parent.iterdir()) == []


def test_the_lock_of_another_host_lasts_as_long_as_it_is_touched(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.write_text('{"host": "elsewhere", "pid": 1, "since": "today"}', encoding="utf-8")
    silent = time.time() - STALE_SECONDS
    os.utime(path, (silent + 60, silent + 60))
    with pytest.raises(LockedError), submit_lock(path):
        pass
    os.utime(path, (silent - 60, silent - 60))
    monkeypatch.setattr("jobs.store.submit_lock.TOUCH_SECONDS", 0.05)
    with submit_lock(path):
        os.utime(path, (silent, silent))
        deadline = time.monotonic() + 120
        while path.stat().st_mtime < silent + 60:
            assert time.monotonic() < deadline, "it is not touched"
            time.sleep(0.05)
    assert list(path.parent.iterdir()) == []


def test_a_lock_that_was_taken_over_is_not_removed_by_who_had_it(path: Path) -> None:
    with submit_lock(path):
        path.write_text('{"host": "elsewhere"}', encoding="utf-8")
    assert path.exists()


def test_who_is_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert alive(os.getpid())
    assert alive(1)
    assert not alive(process.pid)


def test_a_process_that_ended_but_was_not_waited_for_is_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    stat = Path(f"/proc/{process.pid}/stat")
    while b") Z " not in stat.read_bytes():
        time.sleep(0.01)
    assert not alive(process.pid)
    process.wait()
