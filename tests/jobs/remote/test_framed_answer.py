from __future__ import annotations

import pytest

from jobs.remote.framed_answer import Frame, within

ANSWER = b"\x1e\x1emar \x1emark\x00{}\n\x1e"
SAID = b"Welcome!\n\x1emarx\nno end\x1emark\n" + ANSWER + b"\x1emark 93\nbye \x1emark 1\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_an_answer_is_found_in_noise_however_it_comes(size: int) -> None:
    found: list[bytes] = []
    frame = Frame("mark", found.append)
    for at in range(0, len(SAID), size):
        frame.feed(SAID[at : at + size])
    assert (b"".join(found), frame.code) == (ANSWER, 93)
    assert frame.noise == b"Welcome!\n\x1emarx\nno end"
    assert within("mark", SAID) == ANSWER


def test_what_is_sure_is_passed_on_at_once() -> None:
    found: list[bytes] = []
    frame = Frame("mark", found.append)
    frame.feed(b"\x1emark\n50 %\r")
    assert found == [b"50 %\r"]


@pytest.mark.parametrize("length", range(len(SAID)))
def test_without_its_end_there_is_no_answer(length: int) -> None:
    frame = Frame("mark", lambda data: None)
    frame.feed(SAID[:length])
    assert (frame.code is None) == (length < SAID.index(b"\x1emark 93\n") + len(b"\x1emark 93\n"))
    assert frame.begun == (length >= SAID.index(b"\x1emark\n") + len(b"\x1emark\n"))


def test_errors_without_marks_are_all_there_is() -> None:
    assert within("mark", b"Permission denied") == b"Permission denied"
