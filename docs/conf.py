"""How the site is built from this folder: `make docs`, where every warning is an error, a dead link too."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1]))

from docs.generated import filled_in
from docs.generated.links import check
from regularize import __version__

project = "regularize-sweeps"
author = "the authors of regularize-sweeps"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_site", "generated"]
myst_heading_anchors = 3
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other libraries, whose pages are elsewhere
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    app.connect("source-read", _fill_in)
    app.connect("build-finished", _check)


def _fill_in(_app: Sphinx, _page: str, text: list[str]) -> None:
    text[0] = filled_in(text[0])


def _check(app: Sphinx, problem: Exception | None) -> None:
    if problem is None and app.builder.name == "html":
        check(Path(app.outdir))
