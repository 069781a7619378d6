"""One writer for a pack: leases that live, that are stale, and that are lost."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.store import lease as leases
from jobs.store.lease import Fence, LeaseLostError, lease
from jobs.store.submit_lock import Held
from jobs.store.submit_lock import held as is_held
from regularize.whole_files import sealed


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(leases, "PACK", replace(leases.PACK, touch_seconds=0.05, late_seconds=0.35))


def of_another_host(path: Path) -> None:
    holder = {"host": "n7", "pid": 1, "born": "another boot", "since": "2026-01-01"}
    path.write_text(json.dumps(sealed(holder)), encoding="utf-8")


@contextmanager
def asked(path: Path, stop: bool = False) -> Iterator[tuple[object, list[str]]]:
    said: list[str] = []
    with lease(path, lambda: stop, said.append) as held:
        yield held, said


def test_a_pack_that_another_worker_trains_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with asked(path) as (held, _), asked(path) as (other, said):
        assert held is not None
        assert other is None
        assert said == [said[0]]
        assert f"it is being trained by process {os.getpid()} on " in said[0]
        assert said[0].endswith("; it is left alone")
    assert list(tmp_path.iterdir()) == []


def test_a_lease_of_another_host_is_taken_over_once_it_is_stale(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    of_another_host(path)
    with asked(path) as (held, said):
        assert held is not None
        assert said == []
    assert list(tmp_path.iterdir()) == []


def test_a_lease_out_of_a_container_of_this_host_is_not_taken_for_a_dead_process(tmp_path: Path) -> None:
    """Its number means nothing here: that no process has it does not say that it is dead."""
    path = tmp_path / "lease"
    holder = {"host": socket.gethostname(), "pid": 2**30, "born": "this boot", "since": "2026-01-01"}

    def held(**more: str) -> bool:
        path.write_text(json.dumps(sealed(holder | more)), encoding="utf-8")
        return is_held(path)

    assert not held()
    assert held(numbers="pid:[1]")
    assert not held(numbers=str(Path("/proc/self/ns/pid").readlink()))
    held(numbers="pid:[1]")
    os.utime(path, (0, 0))
    assert not is_held(path), "once it is silent for too long"


def test_who_is_to_stop_waits_for_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    of_another_host(path)
    with asked(path, stop=True) as (held, said):
        assert (held, said) == (None, [])
    assert path.exists()


def test_who_was_silent_for_too_long_finds_that_it_has_lost_the_pack(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with lease(path, lambda: False, print) as held:
        assert held is not None
        fence = Fence(held)
        fence._next = 0.0
        assert not fence()
        of_another_host(path)
        before = path.read_bytes()
        fence._next = 0.0
        with pytest.raises(LeaseLostError, match="another worker's by now"):
            fence()
    assert path.read_bytes() == before, "what is another's stays"


def test_a_lease_that_is_touched_less_often_is_believed_for_longer(tmp_path: Path) -> None:
    """Its holder says how often, whatever those touch theirs who find it."""
    path = tmp_path / "lease"
    holder = {"host": "n7", "pid": 1, "born": "another boot", "since": "2026-01-01"}

    def taken(every: object, silent: float) -> bool:
        path.write_text(json.dumps(sealed(holder | {"touched_every": every})), encoding="utf-8")
        os.utime(path, (time.time() - silent,) * 2)
        with asked(path, stop=True) as (held, _):
            return held is not None

    with lease(path, lambda: False, print, 60.0):
        assert json.loads(path.read_bytes())["touched_every"] == 60
    assert not taken(60, silent=50)
    assert taken(60, silent=70)
    assert taken(0.01, silent=10), "no more often than usual"
    for odd in (1e300, math.inf, math.nan, -1e9, "often", None, 10**400):
        assert taken(odd, silent=1e6), "which nobody would say"


def test_a_fence_looks_as_often_as_the_lease_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[float]()
    clock = 0.0
    monkeypatch.setattr(leases.time, "monotonic", lambda: clock)
    monkeypatch.setattr(Held, "lost", lambda _: looks.append(clock) or False)
    fence = Fence(Held(tmp_path / "lease", b"", 60.0))
    for second in range(600):
        clock = float(second)
        fence()
    assert looks == [60.0 * number for number in range(1, 10)]
