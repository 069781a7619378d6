"""A command of the user's that is told one line: without a shell, its output thrown away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from regularize.own_code import SAFE_PATH, TRUSTED

HOOK_SECONDS = 60.0


def tell(words: Sequence[str], message: str) -> None:
    """Run it with the message as its last argument.

    Raises:
        OSError, subprocess.SubprocessError: it does not start, fails, or takes too long.
    """
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    own = {key: value for key, value in os.environ.items() if key not in (SAFE_PATH, TRUSTED)}
    subprocess.run([*words, message], check=True, timeout=HOOK_SECONDS, env=own, **quiet)  # type: ignore[call-overload]
