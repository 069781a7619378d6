"""The batch script that submitit has for Slurm, in a process of its own, as its encoding is the process's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUBMITS = """
import sys
from pathlib import Path
from jobs.slurm.parsable_executor import ParsableExecutor

executor = ParsableExecutor(folder=Path(sys.argv[1]), python="python")
executor.update_parameters(setup=["echo gr\\xf6\\xdfer \\u2026", "cd " + sys.argv[2]])
print(executor.submit(print).job_id)
print([job.job_id for job in executor.map_array(print, "ab")])
"""


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_script_has_all_characters_in_whatever_locale(tmp_path: Path, locale: str) -> None:
    """The names of folders byte for byte, also such as are no text."""
    for name, text in (("srun", "exit"), ("sbatch", f'cat "$2" >> {tmp_path}/taken; echo 13')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "LC_ALL": locale,
        "PYTHONCOERCECLOCALE": "0",  # else Python reads C as C.UTF-8
        "PYTHONUTF8": "0",
    }
    words = [sys.executable, "-c", SUBMITS, str(tmp_path / "jobs"), b"/f\xc3\xbcr/\xff"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("13\n['13_0', '13_1']\n", "")
    taken = (tmp_path / "taken").read_bytes()
    assert taken.count("\necho größer …\n".encode()) == 2
    assert taken.count(b"\ncd /f\xc3\xbcr/\xff\n") == 2
