"""Ctrl-C, as a terminal sends it to all processes at once, while several draw."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import signal, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from analysis.figures.parts.interrupts import deaf, ending_children, results

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ProcessPoolExecutor(2, get_context("spawn")) as pool, ending_children():
            with deaf():
                parts = [pool.submit(time.sleep, 600) for _ in range(5)]
            print("begun", flush=True)
            results(parts)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def test_all_processes_end_at_once_without_a_word(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
