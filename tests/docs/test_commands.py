"""Commands that README and pages show are ones that there are; README's sweep is one, and its mistake is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from jobs.commands.cli import main
from jobs.commands.parser import parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```([\w{}-]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
README = PAGES[0].read_text(encoding="utf-8")


def commands(page: Path) -> list[str]:
    """The lines of its blocks that call us, continued ones as one, and what stands within sentences."""
    whole = page.read_text(encoding="utf-8")
    found, prose = BLOCK.findall(whole), " ".join(BLOCK.sub("", whole).split())
    inline = [each for each in re.findall(r"`(regularize [^`]+)`", prose) if not re.search(r"[\[…{]", each)]
    text = "\n".join(block for language, block in found if language in ("", "sh"))
    lines = text.replace("\\\n", " ").replace(" && ", "\n").splitlines()
    return inline + [line.strip() for line in lines if re.match(r"\s*(\w+=\S* )*regularize ", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_can_be_read(page: Path) -> None:
    for line in commands(page):
        said = line.partition(" #")[0].rstrip("\\").replace(" K", " 3")
        words = shlex.split(said)[shlex.split(said).index("regularize") + 1 :]
        named_alone = all(re.fullmatch("[a-z]+", word) for word in words)
        try:
            parser().parse_args([*words, "--help"] if named_alone else words)
        except SystemExit as end:
            if end.code:
                pytest.fail(f"{page.name}: {line}")


def test_commands_are_found() -> None:
    assert len(commands(ROOT / "README.md")) == 7
    assert sum(len(commands(page)) for page in PAGES) > 90


def test_the_sweep_of_the_readme_and_its_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (sweep,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    file = Path("few-shot.yaml")
    file.write_text(sweep, encoding="utf-8")
    assert main(["plan", str(file), "--data-root", "."]) == 0
    capsys.readouterr()
    file.write_text(sweep.replace("  l1:", "  l3:"), encoding="utf-8")
    assert main(["plan", str(file), "--data-root", "."]) == 2
    begin, end = re.findall(r"^(error: .*?)…(.*)$", README, re.MULTILINE)[0]
    said = capsys.readouterr().err.strip()
    assert said.startswith(begin)
    assert said.endswith(end)
