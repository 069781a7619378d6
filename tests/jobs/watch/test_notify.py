"""Notifications: when, by which escapes, and a command that no shell sees."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.watch.notify import escapes, news, parse_hook, run_hook
from jobs.watch.picture import Picture
from regularize.errors import UserError
from tests.jobs.watch.app import until, watching
from tests.jobs.watch.synthetic import SyntheticSource, picture


def with_states(*states: str) -> Picture:
    base = picture(len(states))
    runs = tuple(run._replace(state=state) for run, state in zip(base.runs, states, strict=True))
    return replace(base, runs=runs, failures=())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (["running"] * 2, ["done", "running"], None),
        (["running"] * 2, ["done", "diverged"], "broad-benchmark is over: 2 of 2 runs done"),
        (["running", "failed"], ["done", "failed"], "broad-benchmark is over: 1 of 2 runs done, 1 failed"),
        (["running"] * 2, ["running", "failed"], "broad-benchmark: 1 run failed"),
        (["running", "failed"], ["failed", "running"], None),
        (["done", "done"], ["done", "done"], None),
    ],
)
def test_news_are_the_end_and_the_first_failure(
    before: list[str], after: list[str], said: str | None
) -> None:
    assert news(with_states(*before), with_states(*after)) == said


def test_what_was_so_at_the_first_look_is_no_news() -> None:
    assert news(None, with_states("failed")) is None


def test_escapes_ring_and_notify_and_pass_through_tmux() -> None:
    assert escapes("a; b\x1b[0m\n", {}) == "\x07\x1b]9;a, b \x07\x1b]777;notify;regularize;a, b \x07"
    inside = escapes("done", {"TMUX": "/tmp/tmux-0/default,1,0"})
    assert inside.startswith("\x07\x1bPtmux;\x1b\x1b]9;done\x07")
    assert inside.endswith("\x1b\\")


def test_a_hook_gets_the_message_as_one_argument_and_no_shell_sees_it(tmp_path: Path) -> None:
    out = tmp_path / "said"
    program = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(repr(sys.argv[2:]))"
    words = parse_hook(f"{sys.executable} -c '{program}' '{out}' --loud")
    run_hook(words, "it's $(touch x); over\x07")
    assert out.read_text() == repr(["--loud", "it's $(touch x); over"])


@pytest.mark.parametrize(("command", "why"), [("say 'it", "No closing quotation"), ("", "empty")])
def test_a_hook_that_is_no_command_is_refused_at_once(command: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        parse_hook(command)


def test_a_hook_that_fails_is_said() -> None:
    with pytest.raises(UserError, match="no-such-program"):
        run_hook(["no-such-program"], "over")


def test_the_interface_tells_of_the_end_once(tmp_path: Path) -> None:
    out = tmp_path / "said"
    program = "import sys, pathlib; pathlib.Path(sys.argv[1]).open('a').write(sys.argv[2] + '\\n')"
    source = SyntheticSource(with_states("running", "done"))

    async def run() -> None:
        hook = [sys.executable, "-c", program, str(out)]
        async with watching(source, hook=hook) as (app, pilot):
            written: list[str] = []
            assert app._driver is not None
            app._driver.write = written.append  # type: ignore[method-assign,assignment]
            source.shown = with_states("done", "done")
            for _ in range(2):
                await pilot.press("r")
                await until(pilot, lambda: app.asked is None)
            await until(pilot, out.exists)
            assert any("\x1b]9;broad-benchmark is over" in each for each in written)

    asyncio.run(run())
    assert out.read_text() == "broad-benchmark is over: 2 of 2 runs done\n"
