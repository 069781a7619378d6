"""A command of the user's that is told one line: without a shell, its output thrown away."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

HOOK_SECONDS = 60.0


def tell(words: Sequence[str], message: str) -> None:
    """Run it with the message as its last argument.

    Raises:
        OSError, subprocess.SubprocessError: it does not start, fails, or takes too long.
    """
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*words, message], check=True, timeout=HOOK_SECONDS, **quiet)  # type: ignore[call-overload]
