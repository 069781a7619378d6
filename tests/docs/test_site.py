"""The site of docs/, built as `make docs` builds it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generated.links import check
from regularize.fused import SLOWER

ROOT = Path(__file__).parents[2]


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--nitpicky", "-b", "html"]
    command = [sys.executable, "-m", "sphinx", *options, "-d", str(out / ".doctrees"), str(source), str(out)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_site_is_built_without_a_warning_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    built = build(ROOT / "docs", tmp_path)
    assert built.returncode == 0, built.stderr
    assert check(tmp_path) > 1000
    assert (tmp_path / "tutorial.html").exists()


def test_the_readme_is_short_and_names_two_commands_of_make_and_files_that_are_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert re.findall(r"^make \w+", text, re.MULTILINE) == ["make demo", "make test"]
    assert len(re.findall(r"!\[", text)) == 1
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text(encoding="utf-8")):
            assert link.startswith("https://") or (ROOT / link).exists(), f"{page}: {link}"


def test_the_picture_of_the_packages_has_every_room() -> None:
    words = re.findall(r"\w+", (ROOT / "docs/images/house.svg").read_text(encoding="utf-8"))
    rooms = [
        each.parent
        for package in ("jobs", "analysis", "regularize")
        for each in (ROOT / package).glob("*/*.py")
    ]
    assert {each.name for each in rooms} <= set(words)


def test_what_lenets_take_by_torch_is_said_as_the_commands_do() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    assert f"LeNets train by torch, which takes about [{SLOWER}](performance.md#" in text


@pytest.mark.parametrize(
    "link", ["nowhere.html", "other.html#no-such-part", "#no-such-part", "http:/colon", "https://bad_host/x"]
)
def test_a_link_that_leads_nowhere_is_named(link: str, tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text('<h1 id="part">')
    good = '<a href="other.html#part">x</a><a href="https://example.org/a?b#c">x</a><img src="other.html">'
    (tmp_path / "page.html").write_text(good)
    assert check(tmp_path) == 3
    (tmp_path / "page.html").write_text(f'{good}<a href="{link}">x</a>')
    with pytest.raises(ValueError, match=f"page.html: {link}"):
        check(tmp_path)
