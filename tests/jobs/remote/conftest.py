"""An `ssh` that gives its command to a shell of this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml

from tests.jobs.sweeps import BASE

# All that a host of ssh does with the words after its name; every call is noted.
SSH = """\
#!/bin/bash
[ "$1" = -G ] && exit 0
echo "$*" >> "$CALLS"
while [ "$1" != far ]; do [ "$1" = -o ] && shift; shift; done
shift
cd "$THERE"; exec sh -c "$*"
"""


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of the other side; this one's working directory is another."""
    here, there, bin_ = tmp_path / "here", tmp_path / "there", tmp_path / "bin"
    for folder in (here, there, bin_):
        folder.mkdir()
    (bin_ / "ssh").write_text(SSH, encoding="utf-8")
    (bin_ / "ssh").chmod(0o755)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    monkeypatch.setenv("THERE", str(there))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    write("far.yaml")
    Path("sweep.yaml").write_text(BASE, encoding="utf-8")
    return there


def write(name: str, **keys: object) -> None:
    right: dict[str, object] = {"kind": "slurm", "host": "far", "python": sys.executable}
    right |= {"base": "$THERE/base"}
    Path(name).write_text(yaml.safe_dump(right | keys, allow_unicode=True), encoding="utf-8")
