"""A folder that is this user's alone: what lies in it runs, or speaks, in their name."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from regularize.errors import UserError
from regularize.whole_files import naming_failures


def own_folder(path: Path) -> Path:
    """The folder, made where it is not there; its parent is.

    Raises:
        UserError: it cannot be made, is a link, somebody else's, or open to others.
    """
    with naming_failures(path):
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UserError(f"{path} is not a folder of yours alone (mode 700); remove it")
    return path
