"""docs/tutorial.md, followed line by line; on a sweep of two epochs in place of forty."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from jobs.commands.cli import main
from jobs.sweep.yaml_text import parse_file

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
SHORTER = {"epochs: 40": "epochs: 2", "{tune: 3, report: 8}": "{tune: 2, report: 3}"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_tutorial_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGULARIZE_STORE", raising=False)
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path / "data"))
    said: dict[str, str] = {}
    for line in [line for block in blocks("sh") for line in block.splitlines()]:
        program, *words = shlex.split(line)
        assert program == "regularize"
        assert main(words) == 0, f"{line}: {capfd.readouterr().err}"
        said[line] = capfd.readouterr().out
        if words[:2] == ["init", "few-shot"]:
            file = Path("few-shot.yaml")
            written = file.read_text(encoding="utf-8")
            (shown,) = blocks("yaml")
            for key, node in parse_file(shown, "page").mapping().items():
                assert parse_file(written, "file").mapping()[key].plain() == node.plain(), key
            for long, short in SHORTER.items():
                assert long in written
                written = written.replace(long, short)
            file.write_text(written, encoding="utf-8")
    assert "Verdict" in said["regularize compare few-shot.yaml"]
    results = Path("results/few-shot")
    for figure in ("forest", "accuracy_curves-digits-20-per-class-lenet5"):
        assert (results / "figures" / f"{figure}.pdf").exists()
    assert list((results / "figures").glob("robustness_curves-*.pdf"))
    for file_of_a_paper in re.findall(r"\{(results/[^}]+)\}", PAGE):
        assert Path(file_of_a_paper).exists()
    assert (results / "report.html").stat().st_size > 100_000
    logs = "".join(path.read_text(encoding="utf-8") for path in (results / "logs").glob("worker-*.log"))
    told = re.findall(r"^\d\d-\d\d \S+  [0-9a-f]{16}: epoch 2/2: (loss \S+.*, )?validation .* %$", logs, re.M)
    assert "" in told, "tune runs are measured on their validation part alone"
    assert any(told)
    names: dict[str, object] = {}
    for cell in blocks("python"):
        exec(cell, names)
    assert Path("forest.pdf").exists()
    assert "paired by seed" in str(names["caption"])
