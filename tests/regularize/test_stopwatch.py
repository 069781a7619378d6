from __future__ import annotations

import time

from regularize.stopwatch import Stopwatch, Workwatch


def test_it_runs_between_start_and_stop_and_goes_on_from_before() -> None:
    watch = Stopwatch()
    time.sleep(0.01)
    assert watch.read() == 0
    watch.start()
    time.sleep(0.01)
    assert 0.01 <= watch.read() < watch.read()
    watch.stop()
    stopped = watch.read()
    time.sleep(0.01)
    assert watch.read() == stopped
    watch.set(100.0)
    assert watch.read() == 100
    watch.start()
    assert 100 < watch.read() < 101


def test_work_is_what_cores_did_not_what_was_waited_for() -> None:
    watch = Workwatch()
    watch.start()
    time.sleep(0.2)
    assert watch.read() < 0.1
    began, total = time.process_time(), 0
    while time.process_time() - began < 0.2:
        total += 1
    watch.stop()
    assert 0.2 <= watch.read() < 0.3
    watch.set(100.0)
    assert watch.read() == 100
