"""Every key of the interface, by Textual's pilot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from rich.text import Text
from textual.color import Color
from textual.events import Key, Paste
from textual.filter import LineFilter
from textual.pilot import Pilot
from textual.widgets import Input, Log

from jobs.watch.app import WatchApp
from jobs.watch.screens.confirm_page import Confirm
from jobs.watch.screens.failures_page import FailuresPage
from jobs.watch.screens.help_page import Help
from jobs.watch.screens.log_page import LogPage
from jobs.watch.screens.map_page import MapPage
from jobs.watch.screens.run_page import RunPage
from jobs.watch.screens.runs_page import RunsPage
from jobs.watch.seed_groups import holding
from jobs.watch.state_looks import GLYPHS
from jobs.watch.widgets.heatmap import HeatMap
from jobs.watch.widgets.run_rows import RunRows
from tests.jobs.watch.app import text, until, watching
from tests.jobs.watch.synthetic import SyntheticSource, picture

Steps = Callable[[WatchApp, Pilot[None]], Awaitable[None]]


def play(steps: Steps, source: SyntheticSource, size: tuple[int, int] = (80, 24)) -> None:
    async def run() -> None:
        async with watching(source, size) as (app, pilot):
            await steps(app, pilot)

    asyncio.run(run())


def test_letters_and_arrows_move_in_the_heat_map() -> None:
    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        cells = app.screen.query_one(HeatMap)
        assert cells.current == ("all", "all")
        await pilot.press("j", "j", "right", "down")
        assert cells.current == ("l2", "mnist")
        await pilot.press("k", "left", "up")
        assert cells.current == ("none", "all")
        await pilot.press("G")
        assert cells.current == ("all_combined", "all")
        await pilot.press("g", "k")
        assert cells.current == ("all", "all")

    play(steps, SyntheticSource(picture(1000)))


def test_enter_goes_from_the_cell_to_the_run_and_escape_back() -> None:
    source = SyntheticSource(picture(1000))

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("j", "j", "right", "enter")
        assert isinstance(app.screen, RunsPage)
        rows = app.screen.query_one(RunRows)
        assert {group.key[:2] for group in rows.groups} == {("l1", "mnist")}
        closed = rows.count
        await pilot.press("enter", "j")
        assert rows.count > closed
        await pilot.press("enter")
        assert isinstance(app.screen, RunPage)
        run_id = rows.groups[0].runs[0].run_id
        await until(pilot, lambda: f"run {run_id}" in text(app))
        assert "epochs" in text(app)
        assert any(line.rstrip().endswith(" valid") for line in text(app).splitlines())
        await pilot.press("G")
        assert "momentum" in text(app)
        await pilot.press("k", "j", "g", "escape")
        assert app.screen.query_one(RunRows) is rows
        await pilot.press("escape", "escape", "escape")
        assert isinstance(app.screen, MapPage)

    play(steps, source)
    assert "detail" in {name for name, _ in source.calls}


def test_search_filters_as_one_types_and_s_sorts() -> None:
    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"svb cifar10")
        rows = app.screen.query_one(RunRows)
        assert {group.key[0] for group in rows.groups} == {"soft_svb", "hard_svb"}
        assert {group.key[1] for group in rows.groups} == {"cifar10", "cifar100"}
        await pilot.press("0", "enter", "j")
        assert rows.has_focus
        assert {group.key[1] for group in rows.groups} == {"cifar100"}
        await pilot.press("escape")
        assert app.screen.query_one(Input).value == ""
        assert len({group.key[0] for group in rows.groups}) == 13
        await pilot.press("s")
        assert rows.order == "state"
        assert rows.groups[0].state == "failed"
        await pilot.press("s", "s")
        names = [group.key[1] for group in rows.groups]
        assert names == sorted(names)

    play(steps, SyntheticSource(picture(1000)))


@pytest.mark.parametrize("begin", [(), ("enter",), ("e",), ("l",), ("enter", "enter", "j", "enter")])
def test_keys_of_one_write_are_the_searchs_from_the_slash_on(begin: tuple[str, ...]) -> None:
    source = SyntheticSource(picture(50))

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press(*begin)
        for key in ("slash", *"xqr l?"):  # cancel, quit, look, log, help
            app.post_message(Key({" ": "space", "?": "question_mark"}.get(key, key), key[-1]))
        await until(pilot, lambda: bool(app.screen.query(Input)) and app.screen.query_one(Input).value != "")
        await pilot.pause()
        assert app.is_running
        assert app.screen.query_one(Input).value == "xqr l?"
        await pilot.press("slash", "q", "ctrl+u", "z")
        assert app.screen.query_one(Input).value == "z"

    play(steps, source)
    assert {name for name, _ in source.calls} <= {"look", "log", "detail"}


# Keys of one write, and what the search says then; what nobody is to see happen is done by none of them.
BURSTS = {
    "abc|ctrl+u|l2": "l2",
    "abc|backspace|d": "abd",
    "l2|left|x": "lx2",
    "x l2|home|q": "qx l2",
    "l1|escape|/|l2": "l2",
    "l1|enter|/|l2": "l2",  # another search in the place of the last
    "l1|enter|escape|/|q": "q",
}


@pytest.mark.parametrize("burst", BURSTS)
def test_no_key_of_one_write_overtakes_another(burst: str) -> None:
    source = SyntheticSource(picture(50))

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        type_at_once(app, f"/|{burst}")
        await until(pilot, lambda: bool(app.screen.query(Input)))
        await pilot.pause()
        field = app.screen.query_one(Input)
        assert field.value == BURSTS[burst]
        assert field.has_focus
        assert app.screen.query_one(RunRows).groups == holding(app.groups, field.value)

    play(steps, source)
    assert {name for name, _ in source.calls} <= {"look"}


def test_keys_of_one_write_are_for_the_page_that_is_seen_then() -> None:
    source = SyntheticSource(picture(1000))

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        # The search is taken, what it found marked, and the question is of nothing else.
        type_at_once(app, "/|dropout mnist 0.1 queued|enter|space|x")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        type_at_once(app, "enter|x|n|l|escape")  # no; asked again, no; the log, and back
        await pilot.pause()
        assert isinstance(app.screen, RunsPage)
        rows = app.screen.query_one(RunRows)
        assert rows.marked
        assert rows.marked <= {run.run_id for run in source.shown.of_cell("dropout", "mnist")}
        type_at_once(app, "escape|escape|j|j|right|enter|j|enter|j|enter|j|G|?|q|e|j")
        await until(pilot, lambda: isinstance(app.screen, FailuresPage))
        names = [type(page) for page in app.screen_stack[1:]]
        assert names == [MapPage, RunsPage, RunPage, FailuresPage]
        app.post_message(Key("alt+q", "q"))  # Escape and q in one write look like Alt+q
        await until(pilot, lambda: not app.is_running)

    play(steps, source)
    assert {name for name, _ in source.calls} <= {"look", "log", "detail"}


def type_at_once(app: WatchApp, keys: str) -> None:
    """Names of keys and words, parted by |, without a pause between them."""
    names = {"escape", "enter", "space", "left", "right", "home", "backspace", "ctrl+u"}
    for word in keys.split("|"):
        for key in [word] if word in names else word:
            name = {" ": "space", "?": "question_mark", "/": "slash"}.get(key, key)
            app.post_message(Key(name, key if len(key) == 1 else " " if name == "space" else None))


def test_a_search_is_pasted_with_its_slash() -> None:
    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        app.post_message(Paste("/dropout\n"))
        await until(pilot, lambda: isinstance(app.screen, RunsPage))
        await until(pilot, lambda: app.screen.query_one(Input).value == "dropout")
        assert {group.key[0] for group in app.screen.query_one(RunRows).groups} == {"dropout"}

    play(steps, SyntheticSource(picture(1000)))


def test_without_colours_nothing_has_one_and_marks_tell_states_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        strips = app.screen._compositor.render_strips(app.size)
        shown = [s for strip in strips for f in [strip.apply_filter(*_filter(app))] for s in f]
        assert not [s for s in shown if s.style and (s.style.color or s.style.bgcolor)]
        assert [s for s in shown if s.style and s.style.reverse]  # the row under the cursor

    play(steps, SyntheticSource(picture(50)))
    assert len({GLYPHS[state] for state in ("done", "running", "diverged", "planned", "queued")}) == 5


def _filter(app: WatchApp) -> tuple[LineFilter, Color]:
    (only,) = app.get_line_filters()
    return only, Color(0, 0, 0)


def test_scores_are_columns_and_in_titles_and_sort() -> None:
    shown = picture(50)
    runs = [run._replace(last=number / 100, best=number / 90) for number, run in enumerate(shown.runs)]
    source = SyntheticSource(replace(shown, runs=tuple(runs)))

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("j", "right")
        await until(pilot, lambda: "validation accuracy" in text(app))  # of the cell, in words
        await pilot.press("enter", *"ssssss")
        rows = app.screen.query_one(RunRows)
        assert rows.order == "best"
        assert "best ▾" in text(app)
        best = [group.tally.best or 0.0 for group in rows.groups]
        assert best == sorted(best, reverse=True)
        await pilot.press("enter", "j", "enter")
        run = rows.groups[0].runs[0]
        await until(pilot, lambda: run.title in text(app))
        assert f"seed {run.seed}, {run.state}" in run.title

    play(steps, source, (110, 30))


def test_l_shows_the_end_of_the_log_and_follows_it() -> None:
    source = SyntheticSource(picture(50))

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("l")
        assert isinstance(app.screen, LogPage)
        await until(pilot, lambda: "epoch 2 of 50" in text(app))
        assert app.screen.run.state == "running"  # of all of them the one that tells most
        source.written += "\x1b[31mepoch 3\x1b[0m\nepoch 4\r 50%\repoch 4 done\n"
        app.screen.follow()
        await until(pilot, lambda: "epoch 4 done" in text(app))
        assert "50%" not in text(app)
        await pilot.press("k")
        assert not app.screen.query_one(Log).auto_scroll
        assert "not following" in text(app)
        await pilot.press("g", "j", "G")
        assert app.screen.query_one(Log).auto_scroll
        await pilot.press("escape")
        assert isinstance(app.screen, MapPage)

    play(steps, source)


def test_e_groups_failures_by_exception_with_a_traceback_each() -> None:
    source = SyntheticSource(picture(1000))

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("e")
        assert isinstance(app.screen, FailuresPage)
        shown = text(app)
        assert "OutOfMemoryError" in shown
        assert "ValueError: jacobian" in shown
        assert shown.count("Traceback") == 1
        await pilot.press("j", "R", "y")
        await until(pilot, lambda: source.calls[-1][0] == "look")

    play(steps, source)
    failed = [run.run_id for run in source.shown.runs if run.note.startswith("ValueError")]
    assert ("retry", failed) in source.calls


def test_cancel_and_retry_ask_first_and_act_on_what_is_marked() -> None:
    source = SyntheticSource(picture(1000))
    queued = [run.run_id for run in source.shown.of_cell("dropout", "mnist") if run.strength == "0.1"]

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"dropout mnist 0.1 queued", "enter", "space", "x")
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape")
        await pilot.press("x", "n", "x", "enter")  # the button under the cursor says no
        assert not [name for name, _ in source.calls if name == "cancel"]
        await pilot.press("x", "y")
        await until(pilot, lambda: "cancel" in {name for name, _ in source.calls})
        await pilot.press("R")
        assert not isinstance(app.screen, Confirm)  # nothing there has failed

    play(steps, source)
    (cancelled,) = [what for name, what in source.calls if name == "cancel"]
    assert isinstance(cancelled, list)
    assert set(cancelled) <= set(queued)
    assert cancelled


def test_r_looks_at_once_and_p_pauses() -> None:
    source = SyntheticSource(picture(50))

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        before = len(source.calls)
        await pilot.press("r")
        await until(pilot, lambda: len(source.calls) > before and app.asked is None)
        app.every = 0.0  # it is always time to look
        await pilot.press("p")
        assert "paused" in text(app)
        await until(pilot, lambda: app.asked is None)  # what was asked before
        before = len(source.calls)
        app.tick()
        assert app.asked is None
        await pilot.press("p")
        assert "paused" not in text(app)
        await until(pilot, lambda: len(source.calls) > before)
        app.every = 10.0

    play(steps, source)


def test_help_and_quit() -> None:
    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        assert isinstance(app.screen, Help)
        assert "search as you type" in text(app)
        await pilot.press("escape", "q")
        await until(pilot, lambda: not app.is_running)

    play(steps, SyntheticSource(picture(50)))


def test_the_mouse_chooses_opens_and_sorts() -> None:
    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        cells = app.screen.query_one(HeatMap)
        await pilot.click(HeatMap, offset=(45, 3))
        assert cells.current == ("l1", "fashion_mnist")
        await pilot.click(HeatMap, offset=(45, 3), times=2)
        await until(pilot, lambda: isinstance(app.screen, RunsPage))
        rows = app.screen.query_one(RunRows)
        await pilot.click(RunRows, offset=(3, 0))
        assert rows.order == "state"
        await pilot.click(RunRows, offset=(3, 0))
        assert rows.order == ""

    play(steps, SyntheticSource(picture(1000)))


def test_only_what_changed_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    source, drawn = SyntheticSource(picture(1000)), list[str]()
    line = RunRows.line

    def noted(rows: RunRows, index: int, width: int, part: int = 0) -> Text:
        drawn.append(rows.shown[index][0].runs[0].run_id)
        return line(rows, index, width, part)

    monkeypatch.setattr(RunRows, "line", noted)

    async def steps(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("slash", "enter")
        rows = app.screen.query_one(RunRows)
        first, second, third = (group.runs[0] for group in rows.groups[:3])
        drawn.clear()
        await pilot.press("j")
        assert sorted(set(drawn)) == sorted([first.run_id, second.run_id])
        drawn.clear()
        changed = third._replace(state="failed", note="ValueError: no")
        runs = tuple(changed if run == third else run for run in source.shown.runs)
        source.shown = replace(source.shown, runs=runs)
        await pilot.press("r")
        await until(pilot, lambda: "ValueError: no" in text(app))
        assert drawn == [third.run_id]

    play(steps, source, (200, 60))
