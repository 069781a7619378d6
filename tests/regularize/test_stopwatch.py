from __future__ import annotations

import time

from regularize.stopwatch import Stopwatch


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
