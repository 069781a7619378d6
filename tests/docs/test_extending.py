"""docs/extending.md, followed in a fresh copy of the code: its files written, its commands run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generated.techniques import SECTIONS, parted

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
PACKAGES = ("regularize", "jobs", "analysis", "cluster_configs")
FILE = re.compile(r"`(\w+\.(?:py|yaml))`:\s+^```(?:python|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^REGULARIZERS: .*= \{\n", re.MULTILINE)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The code with the page's files and row in it."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    techniques = tmp_path / "regularize" / "regularizers"
    for name, text in FILE.findall(PAGE):
        folder = techniques if name == "logit_norm.py" else tmp_path
        (folder / name).write_text(text, encoding="utf-8")
    (row,) = re.findall(r'^ {4}"logit_norm": .*\n', PAGE, re.MULTILINE)
    (table,) = [path for path in techniques.glob("*.py") if TABLE.search(path.read_text(encoding="utf-8"))]
    text = table.read_text(encoding="utf-8")
    table.write_text(TABLE.sub(lambda found: found[0] + row, text), encoding="utf-8")
    return tmp_path


def test_the_page_is_followed(clone: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(clone)}
    environment.pop("REGULARIZE_STORE", None)
    run = "import sys; from jobs.commands.cli import main; sys.exit(main())"
    commands = {"python": [sys.executable], "regularize": [sys.executable, "-c", run]}
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    said = {}
    for line in [line for block in blocks for line in block.splitlines()]:
        program, *words = shlex.split(line)
        command = [*commands[program], *words]
        done = subprocess.run(
            command, cwd=clone, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        said[words[0]] = done.stdout
    assert "logit_norm" in said["plan"]
    assert "done: 12 runs" in said["submit"]
    assert "logit_norm" in said["figures"].lower().replace(" ", "_")
    assert (clone / "results/mine/figures/accuracy_curves-bars-my_models-small.pdf").exists()
    assert (clone / "my_figure.pdf").exists()


def test_its_technique_has_a_card() -> None:
    (text,) = [text for name, text in FILE.findall(PAGE) if name == "logit_norm.py"]
    docstring = text.split('"""')[1]
    assert parted(docstring).keys() == {"", *SECTIONS}
