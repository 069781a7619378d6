from __future__ import annotations

from tests.regularize.data_tables import PAGE, rewritten


def test_the_page_on_data_says_what_is_so() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert rewritten(text) == text, "`python -m tests.regularize.data_tables` writes its tables"
