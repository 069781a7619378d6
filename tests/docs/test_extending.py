"""docs/extending.md, followed: its files written, its sweep trained, compared and drawn, its test run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.commands.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
FILE = re.compile(r"`(\w+\.(?:py|yaml))`:.*?^```(?:python|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MODULES = ("my_techniques", "my_models", "my_data", "my_figure")


@pytest.fixture
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the page, in a folder of their own."""
    for name, text in FILE.findall(PAGE):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("REGULARIZE_STORE", raising=False)
    for module in MODULES:
        monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.mark.usefixtures("_files")
def test_the_page_is_followed(capfd: pytest.CaptureFixture[str]) -> None:
    said = {}
    for line in "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)).splitlines():
        program, *words = shlex.split(line)
        if program == "python":  # the contract of its technique
            checked = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True)
            assert (checked.returncode, checked.stderr) == (0, "")
            continue
        assert program == "regularize"
        assert main(words) == 0, f"{line}: {capfd.readouterr().err}"
        said[words[0]] = capfd.readouterr().out
    assert "Logit norm" in said["compare"]
    assert "pooled" not in said["compare"], "its entry has more code than the baseline, not other code"
    assert list(Path("results/mine/figures").glob("*accuracy_by_norm*.pdf"))
