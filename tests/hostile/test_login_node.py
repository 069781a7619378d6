"""A login node that does harm: what it sends home is a file of ours in form, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.commands.cli import main
from jobs.remote.store_files import Receiver
from jobs.watch.source_wire import AskingSource
from regularize.errors import UserError
from tests.hostile.login_node import HEADERS, ORDERS, PATHS, python_that_answers, sent
from tests.hostile.stores import RAW
from tests.jobs.remote.conftest import there, write  # noqa: F401  # the other side


@pytest.mark.parametrize("answer", [*map(sent, PATHS), *HEADERS])
def test_what_is_no_file_of_a_sweep_is_refused(answer: bytes, tmp_path: Path) -> None:
    home = tmp_path / "home" / "small"
    home.mkdir(parents=True)
    with pytest.raises(UserError, match="the cluster"):
        Receiver(home).feed(answer)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("part", ["packs", "packs/a"])
def test_nothing_is_received_through_a_link(part: str, tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / part).parent.mkdir(parents=True)
    elsewhere.mkdir()
    (home / part).symlink_to(elsewhere)
    with pytest.raises(UserError, match="link"):
        Receiver(home).feed(sent("packs/a/status.json"))
    assert [*elsewhere.rglob("*")] == []


def test_a_partial_file_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.write_text("mine", encoding="utf-8")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".sweep.yaml_4_1.partial").symlink_to(private)
    with pytest.raises(OSError, match="symbolic links"):
        Receiver(tmp_path / "home").feed(sent("sweep.yaml"))
    assert private.read_text(encoding="utf-8") == "mine"


def test_what_a_sweep_has_comes_home(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path)
    ours = ["sweep.yaml", "looks.cluster.json", "code/0123456789abcdef.zip", "packs/a1/results.parquet"]
    ours += ["packs/a1/weights.pt", "logs/13_4_0_log.out", "logs/13_0_log.err", "0123456789abcdef.diff"]
    for path in ours:
        receiver.feed(sent(path))
    assert receiver.count == len(ours)
    assert all((tmp_path / path).read_bytes() == b"evil" for path in ours)


@pytest.mark.usefixtures("there")
def test_sync_from_it_ends_in_a_line(
    request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    far: Path = request.getfixturevalue("there")
    typed = ["sync", "sweep.yaml", "--cluster", "far.yaml"]
    for answer in (sent("report.html", b"<script>"), sent("../x"), f"{ORDERS}\n".encode()):
        write("far.yaml", python=str(python_that_answers(far, answer)))
        assert main(typed) == 2
        said = "".join(capfd.readouterr())
        assert not RAW.search(said)
        assert "Traceback" not in said
    write(
        "far.yaml", python=str(python_that_answers(far, sent("sweep.yaml", b"evil") + sent("runs.parquet")))
    )
    assert main(typed) in (1, 2)  # they have come, and are not what they are called
    assert "runs.parquet" in capfd.readouterr().err
    assert sorted(path.name for path in Path("results").rglob("*") if path.is_file()) == [
        "runs.parquet.damaged", "sweep.yaml", "verified.json",
    ]  # fmt: skip


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("command", ["status", "logs", "plan", "efficiency"])
def test_what_it_says_reaches_the_terminal_as_text(
    command: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    far: Path = request.getfixturevalue("there")
    answer = f"\x1b[1mall {ORDERS}well\x1b[0m".encode()
    write("far.yaml", python=str(python_that_answers(far, answer)))
    assert main([command, "sweep.yaml", "--cluster", "far.yaml"]) == 0
    out, err = capfd.readouterr()
    assert out == "\x1b[1mall well\x1b[0m"
    assert err.endswith("warning ")


@pytest.mark.parametrize("answer", ["", "[]", "{}", "[" * 100_000, '{"runs": 3}', json.dumps({
    "sweep": 1, "place": "", "time": "x", "runs": [[1]], "warnings": [], "speed": None, "seconds_left": None,
    "active": [], "queue": [], "failures": [],
})])  # fmt: skip
def test_a_picture_that_is_none_is_an_error_in_the_interface(answer: str) -> None:
    source = AskingSource(lambda _: answer, "small", "far")
    for ask in (source.look, lambda: source.detail("a"), lambda: source.log("a", None)):
        with pytest.raises(UserError, match="cannot be read"):
            ask()
