"""Every link of the built site: to a page and anchor that are there, or of a form that a browser can open."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_ELSEWHERE = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?(/[^\s<>\"]*)?")


class Page(HTMLParser):
    """What a page links to, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [link for name in ("href", "src") if (link := given.get(name))]
        self.anchors |= {anchor for name in ("id", "name") if (anchor := given.get(name))}


def check(site: Path) -> int:
    """How many links were followed.

    Raises:
        ValueError: names every one that leads nowhere.
    """
    found = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if _ours(path)}
    dead = [f"{path.relative_to(site)}: {link}" for path, page in found.items() for link in page.links
            if not _leads_somewhere(site, found, path, link)]  # fmt: skip
    if dead:
        raise ValueError("links that lead nowhere:\n" + "\n".join(sorted(dead)))
    return sum(len(page.links) for page in found.values())


def _ours(path: Path) -> bool:
    """Not what the builder only copies, such as a report of the study."""
    return "_downloads" not in path.parts


def _leads_somewhere(site: Path, found: dict[Path, Page], path: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme in ("mailto", "data") or bool(_ELSEWHERE.fullmatch(link))
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if (not target.is_relative_to(site.resolve()) and target != path) or not target.exists():
        return False
    return target not in found or unquote(parts.fragment) in found[target].anchors
