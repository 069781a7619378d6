"""`regularize gallery`: a page of a sweep's figures for the documentation, in Markdown with small PNGs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from analysis.figures.catalogue import FIGURES
from analysis.figures.draw_figures import draw_all
from analysis.figures.parts.small_png import shrink
from analysis.notation.published_text import published
from regularize.store import Store, naming_failures, read_json, write_text, write_whole


def gallery(store: Store, folder: Path, data_root: Path | None = None) -> tuple[Path, dict[str, str]]:
    """Draw every figure of a collected store, write `gallery.md` and `gallery/*.png` into `folder`.

    Returns the page, and by name why a figure is missing on it.
    """
    with naming_failures(folder):
        folder.mkdir(parents=True, exist_ok=True)  # before all is drawn for nothing
    drawn = draw_all(store, data_root=data_root)
    for path in drawn.paths:
        small = shrink(path.with_suffix(".png"))
        write_whole(folder / "gallery" / f"{path.stem}.png", partial(_fill, small.content))
    page = folder / "gallery.md"
    write_text(page, "\n".join(_page(store, drawn.paths, drawn.missing)))
    return page, drawn.missing


def _fill(content: bytes, file: Path) -> None:
    file.write_bytes(content)


def _page(store: Store, paths: Sequence[Path], missing: dict[str, str]) -> Iterator[str]:
    yield "# Gallery\n"
    yield (
        f"What `regularize figures` draws, here of the sweep `{store.folder.name}`. Made by "
        f"`make gallery FROM=results/{store.folder.name}`.\n"
    )
    for name, kind in FIGURES.items():
        mine = [path for path in paths if path.stem == name or path.stem.startswith(f"{name}-")]
        if mine:
            yield f"## `{name}`\n"
            yield f"{kind.shows[0].upper()}{kind.shows[1:]}.\n"
        for path in mine:
            said = read_json(path.with_suffix(".json"))
            yield f"![{_inline(said['alt'])}](gallery/{path.stem}.png)\n"
            yield f"{_inline(said['caption'])}\n"
    for name, reason in missing.items():
        yield f"`{name}` is missing: {_inline(published(reason))}\n"


def _inline(text: str) -> str:
    """Text that Markdown takes for nothing else; what stands between backticks is code."""
    text = " ".join(text.split())
    return re.sub(r"(`[^`]+`)|[\\`*_\[\]<>$]", lambda found: found[1] or f"\\{found[0]}", text)
