"""Downloading the official data sets through torchvision, where there is internet."""

from __future__ import annotations

import http.client
import socket
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from regularize.data.official import OFFICIAL
from regularize.data.prepare import prepared
from regularize.data.registry import data_root, locate
from regularize.data.source import MissingDataError
from regularize.data.stored import Prepared
from regularize.errors import UserError, one_of

PATIENCE = 60.0  # seconds without an answer; a firewall that drops packets never gives one


def fetch(name: str, root: Path | str | None = None) -> Prepared:
    """Download what is not there, check it, and prepare it.

    Raises:
        UserError: not an official data set, no connection (says which files go where), or damage.
    """
    if name not in OFFICIAL:
        raise UserError(f"only official data sets can be fetched, not {name!r}; {one_of(name, OFFICIAL)}")
    root = data_root(root)
    try:
        locate(name, root)
    except MissingDataError as missing:
        _download(name, root, missing)
    return prepared(name, root)


def _download(name: str, root: Path, missing: MissingDataError) -> None:
    kinds = import_module("torchvision.datasets")
    try:
        with _timeout(PATIENCE):
            for kind, told in OFFICIAL[name].downloads:
                getattr(kinds, kind)(root, download=True, **told)
    except (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError) as error:
        raise UserError(f"cannot download {name}: {str(error).strip()}\n{missing}") from error


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
