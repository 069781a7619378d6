"""The report in a real Chromium: it sorts, fetches nothing, complains of nothing, and can be read by all."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from regularize.store import Store

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WIDTHS = (390, 800, 1400)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, built: tuple[Store, Path]) -> Iterator[Any]:
    """The report, opened from its file; afterwards it must have neither complained nor fetched."""
    complaints: list[str] = []
    requests: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url[:100]))
    page.goto(built[1].as_uri())
    yield page
    context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith("data:")] == [built[1].as_uri()]


def column(page: Any, heading: str) -> list[str]:
    """A column of the first table of results."""
    place = headings(page).index(heading)
    cells = page.locator("#results table").first.locator(f"tbody td:nth-child({place + 1})")
    return [text.strip() for text in cells.all_text_contents()]


def headings(page: Any) -> list[str]:
    found = page.locator("#results table").first.locator("thead th")
    return [text.strip() for text in found.all_text_contents()]


def means(cells: list[str]) -> list[float]:
    return [float(cell.split(" ± ")[0].replace("−", "-")) for cell in cells if cell != "–"]


def test_tables_sort_by_click(page: Any) -> None:
    before = column(page, "Δ (pp)")
    heading = page.locator("#results table").first.get_by_role("button", name="Δ (pp)")
    heading.click()
    up = column(page, "Δ (pp)")
    assert means(up) == sorted(means(before))
    assert up[-1] == "–"  # what has no number comes last
    heading.click()
    assert means(column(page, "Δ (pp)")) == sorted(means(before), reverse=True)
    sorted_by = page.locator("#results table").first.locator("th[aria-sort=descending]")
    assert sorted_by.all_text_contents()[0].strip() == "Δ (pp)"


def test_tables_sort_by_keyboard(page: Any) -> None:
    page.locator("#results table").first.get_by_role("button", name="Regularizer").focus()
    page.keyboard.press("Enter")
    names = column(page, "Regularizer")
    assert names == sorted(names, key=str.casefold)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    active = page.evaluate("document.activeElement.closest('th').getAttribute('aria-sort')")
    assert active == "ascending"


def unfold(page: Any) -> None:
    """Open all that is folded, which is neither laid out nor looked at by axe before."""
    folded = page.locator("details:not([open]) > summary")
    assert folded.count() > 0
    while folded.count():  # those inside one are pressed after it
        folded.first.click()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_the_first_screen_answers_and_the_ways_on_stay(page: Any) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    sentence, picture = page.locator("#conclusions strong").first, page.locator("#conclusions img")
    assert sentence.text_content().startswith("On 2 problems, against the baseline")
    assert picture.bounding_box()["y"] < 900
    page.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    assert page.locator("body > nav").bounding_box()["y"] == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_a_small_picture_opens_in_full_size(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    name = page.locator(".gallery figure").first.get_attribute("id")
    widths = []
    for place in (".index", ".gallery"):  # the index has every picture, and opens it, too
        small = page.locator(f"{place} button.open").first
        widths.append(small.locator("img").bounding_box()["width"])
        small.click()
        full = page.get_by_role("dialog").locator("img")
        widths.append(full.bounding_box()["width"])
        assert full.get_attribute("alt") == page.locator(f"[id='{name}'] img").get_attribute("alt")
        assert page.get_by_role("dialog").bounding_box()["width"] <= width
        page.keyboard.press("Escape")
        assert page.get_by_role("dialog").count() == 0
    assert widths[0] < widths[2] < widths[1] == widths[3]
    index = page.locator("nav[aria-label=Figures] a")
    assert page.locator(".index img").count() == index.count()
    assert index.all_text_contents() == page.locator(".gallery figure").evaluate_all(
        "all => all.map(f => f.id)"
    )
    assert page.locator(f".gallery a[href='figures/{name}.pdf']").count() == 1


def test_what_is_concluded_is_in_the_picture_on_a_narrow_screen(page: Any) -> None:
    page.set_viewport_size({"width": 800, "height": 900})
    table = page.locator("#comparison table").first
    headings = [text.strip() for text in table.locator("thead th").all_text_contents()]
    place = headings.index("Verdict")
    assert place == 1
    box = table.locator("thead th").nth(place).bounding_box()
    assert box["x"] + box["width"] <= 800


def test_paper_shows_what_is_folded(page: Any) -> None:
    assert page.locator("details").count() > 0
    assert page.locator("details[open]").count() == 0
    page.emulate_media(media="print")
    wide = "[...document.querySelectorAll('pre')].filter(p => p.scrollWidth > p.clientWidth).length"
    page.pdf()
    assert page.evaluate(wide) == 0  # no line of the sweep file is cut off
    assert page.locator("details:not([open])").count() == 0


AS_LARGE_AS_THE_STUDY = """
const grow = (parent, least) => {
  const mine = [...parent.children];
  for (let i = 0; parent.children.length < least; i++) parent.append(mine[i % mine.length].cloneNode(true));
};
for (const body of document.querySelectorAll("tbody")) grow(body, 13);
for (const list of document.querySelectorAll("#conclusions ul")) grow(list, 12);
const galleries = document.querySelectorAll(".gallery");
for (const each of galleries) grow(each, 60 / galleries.length);
"""


def test_thirteen_techniques_on_two_data_sets_take_few_sheets(page: Any) -> None:
    """Of a page with as many rows and figures as those have."""
    page.evaluate(AS_LARGE_AS_THE_STUDY)
    assert page.locator(".gallery figure").count() >= 60
    page.emulate_media(media="print")
    sheets = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    assert 5 < sheets <= 25


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_serious_accessibility_problem(page: Any, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    unfold(page)
    found = Axe().run(page).response["violations"]
    serious = [
        (problem["id"], [node["html"] for node in problem["nodes"]])
        for problem in found
        if problem["impact"] in ("serious", "critical")
    ]
    assert serious == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


ATTACKS = {
    "an inline handler": "<img src='data:,' onerror=\"window.ran = 'handler'\">",
    "a script of its own": "<script>window.ran = 'script'</script>",
    "a script from elsewhere": "<script src='{place}/evil.js'></script>",
    "a link that is a script": "<a id='attack' href=\"javascript:window.ran = 'link'\">x</a>",
    "a picture from elsewhere": "<img src='{place}/seen.png'>",
    "a style from elsewhere": "<link rel='stylesheet' href='{place}/evil.css'>",
    "a style of its own": "<style>h1 {{ display: none }}</style>",
    "a frame": "<iframe src='{place}/frame.html'></iframe>",
    "a form": "<form action='{place}/told'><input name='a' value='b'><button id='attack'>x</button></form>",
    "another base": "<base href='{place}/'>",
    "a frame with a script in it": "<iframe srcdoc=\"<script>parent.ran = 'frame'</script>\"></iframe>",
    "a thing that is embedded": "<object data='{place}/evil.svg'></object>",
}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another server, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"window.ran = 'elsewhere'")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_whatever_came_onto_the_page_nothing_of_it_acts_or_is_fetched(
    browser: Any, built: tuple[Store, Path], elsewhere: tuple[str, list[str]], tmp_path: Path
) -> None:
    """As if a name had not been escaped: the policy is a second wall behind the first."""
    place, asked = elsewhere
    text = built[1].read_text(encoding="utf-8")
    context = browser.new_context()
    bare = tmp_path / "bare.html"
    for name, attack in ATTACKS.items():
        attacked = text.replace("</h1>", f"</h1>{attack.format(place=place)}", 1)
        policies = {True: attacked, False: re.sub(r'<meta http-equiv="Content-Sec[^>]*>', "", attacked)}
        assert policies[True] != policies[False]
        harm = {}
        for kept, content in policies.items():
            bare.write_text(content, encoding="utf-8")
            page = context.new_page()
            asked.clear()
            page.goto(bare.as_uri())
            if page.locator("#attack").count():
                page.locator("#attack").dispatch_event("click")
            page.wait_for_timeout(150)
            ran = None if asked else page.evaluate("window.ran")
            shown = None if asked else page.locator("h1").is_visible()
            based = page.evaluate("document.baseURI")
            harm[kept] = bool(asked or ran or not shown or based != page.url)
            if kept:  # the page's own script and style act
                assert page.locator("#results table th button").count(), name
                assert (
                    page.evaluate("getComputedStyle(document.querySelector('td:not(.words)')).textAlign")
                    == "right"
                ), name
            page.close()
        assert harm == {True: False, False: True}, name
    context.close()
