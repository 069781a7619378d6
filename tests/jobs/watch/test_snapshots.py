"""What the pages look like: SVGs beside this file; WATCH_SNAPSHOTS=write makes new ones, to be looked at."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
from pathlib import Path

import pytest

from tests.jobs.watch.app import text, until, watching
from tests.jobs.watch.synthetic import SyntheticSource, picture

FOLDER = Path(__file__).parent / "snapshots"
SMALL, LARGE = (80, 24), (200, 60)


def svg_of(count: int, size: tuple[int, int], keys: str = "", shows: str = "", dark: bool = True) -> str:
    async def run() -> str:
        source = SyntheticSource(picture(count))
        async with watching(source, size, dark=dark) as (app, pilot):
            await pilot.press(*keys.split())
            last = "" if app.screen.is_modal else "Quit"  # the footer comes last
            await until(pilot, lambda: shows in text(app) and last in text(app))
            return app.export_screenshot(simplify=True)

    return asyncio.run(run())


def check(name: str, svg: str) -> None:
    path = FOLDER / f"{name}.svg"
    if os.environ.get("WATCH_SNAPSHOTS") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(svg, encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    if svg != expected:
        lines = difflib.unified_diff(expected.splitlines(), svg.splitlines(), lineterm="", n=0)
        pytest.fail(f"{path} looks otherwise now:\n" + "\n".join(line[:160] for line in [*lines][:20]))


@pytest.mark.parametrize("count", [0, 50, 10_000])
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x60"])
def test_the_overview(count: int, size: tuple[int, int]) -> None:
    shows = "regularizer" if count else "No runs are planned"
    check(f"overview-{count}-{size[0]}x{size[1]}", svg_of(count, size, shows=shows))


@pytest.mark.parametrize(
    ("name", "keys", "shows"),
    [
        ("runs", "j j j enter j enter", "seed 3"),
        ("failures", "e", "Traceback"),
        ("run", "j j enter enter j enter", "attempts"),
        ("confirm", "x", "Cancel"),
        ("help", "question_mark", "search as you type"),
    ],
)
def test_the_other_pages_on_a_small_terminal(name: str, keys: str, shows: str) -> None:
    shown = "run " if name == "run" else shows
    check(f"{name}-80x24", svg_of(1000, SMALL, keys, shown))


def test_a_run_on_a_large_terminal() -> None:
    check("run-200x60", svg_of(1000, LARGE, "j j enter enter j enter", "attempts"))


def test_a_light_ground() -> None:
    check("overview-light-80x24", svg_of(1000, SMALL, shows="regularizer", dark=False))


def test_without_colours_letters_and_numbers_say_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    svg = svg_of(1000, SMALL, shows="regularizer")
    check("overview-no-color-80x24", svg)
    coloured = {c for c in re.findall("#([0-9a-f]{6})", svg) if len({c[:2], c[2:4], c[4:]}) > 1}
    assert coloured <= {
        "ff5f57",
        "febc2e",
        "28c840",
        "c5c8c6",
        "868887",
    }  # of the window that the SVG draws, and dim
