"""Words for the shell of the cluster. Nothing but the lines of `setup:` reaches it unquoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from jobs.cluster import shell_words
from jobs.cluster.cluster_config import Cluster

BASE = "~/regularize"
"""Where code and environment are on a cluster whose config does not say."""

NO_SNAPSHOT, NO_PYTHON, DAMAGED = 93, 94, 95
"""Exit codes of the scripts: what is to be done first."""

FIRST = "first"
"""Said to the module that runs in a snapshot that has just come."""

LOGIN = "exec /bin/sh -c 'exec bash -l -s 3>&1 1>&2'"
"""The one command that ssh is given: bash with its profile (for `module`), which reads a script from stdin.

What profiles print goes to stderr; the script's own output goes to file descriptor 3. It means the same
to every login shell, csh included.
"""


@dataclass(frozen=True)
class Script:
    """Lines for a shell: what those `before` print is noise, what `body` prints to descriptor 3 the answer.

    What is on its standard input behind it is for `body` to read.
    """

    before: tuple[str, ...]
    body: tuple[str, ...]

    def framed(self, mark: str, *, errors: bool) -> str:
        """Its text, with marks around the answer (see `framed_answer`); with `errors`, around those too."""
        streams = (3, 2) if errors else (3,)
        begin = [f"printf '\\036{mark}\\n' >&{stream}" for stream in streams]
        # The answer's end is the last: with it, what was said on stderr has been said.
        end = [f"printf '\\036{mark} %d\\n' \"$code\" >&{stream}" for stream in reversed(streams)]
        last = "; ".join([") && code=0 || code=$?", *end, 'exit "$code"'])
        # Where a profile has aliases expanded (`cp -i`), none is left for the lines behind this one. The
        # shell has read the last of them before it runs the first of the body.
        return lines([*self.before, "\\unalias -a", *begin, "( :", *self.body, last])


HELLO = Script((), ())
"""Answers nothing."""


def script(cluster: Cluster, body: Sequence[str]) -> Script:
    """A script that has `$base`, and what the config's `setup`, with nothing to read, makes of its shell."""
    return Script((*place(cluster), "{ :", *cluster.setup, "} </dev/null"), tuple(body))


def place(cluster: Cluster) -> tuple[str]:
    """The line that sets `$base`."""
    return (f"base={shell_words.path(base(cluster))}",)


def python(cluster: Cluster) -> list[str]:
    """Lines that set `$python`: the config's own, or that of the environment that `cluster setup` builds."""
    if words := own_python(cluster):
        return [
            f"python={shell_words.path(words[0])}",
            f'command -v "$python" >/dev/null || exit {NO_PYTHON}',
        ]
    return ['python="$base/venv/bin/python"', f'test -x "$python" || exit {NO_PYTHON}']


def own_python(cluster: Cluster) -> tuple[str, ...]:
    """The config's own; what it says of a container is for jobs alone."""
    return () if cluster.container else cluster.python


def command(cluster: Cluster) -> str:
    """`$python` with the arguments that the config gives it."""
    return " ".join(['"$python"', *map(shell_words.path, own_python(cluster)[1:])])


def run(cluster: Cluster, snapshot: str, folders: Sequence[str], module: str, *words: str) -> Script:
    """The script that runs a module of a snapshot with what follows the script on its stdin.

    Args:
        folders: further folders of modules, within the snapshot.
    """
    places = "".join(f':"$code"/{quote(folder)}' for folder in folders)
    return script(
        cluster,
        [
            f'code="$base/snapshots/{snapshot}"',
            f'test -d "$code" || exit {NO_SNAPSHOT}',
            *python(cluster),
            'cd "$code" || exit 1',
            f'export PYTHONPATH="$code"{places}"${{PYTHONPATH:+:$PYTHONPATH}}"',
            f"exec {command(cluster)} -m {module} {' '.join(map(quote, words))} >&3 3>&-",
        ],
    )


def lines(script: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in script)


def base(cluster: Cluster) -> str:
    return str(cluster.base) if cluster.base else BASE
