"""`regularize cluster setup`: the script that builds a Python environment there, or tries a given one."""

from __future__ import annotations

from shlex import quote

from jobs.cluster.cluster_config import Cluster
from jobs.code_copy.snapshot import REQUIREMENTS
from jobs.remote import remote_shell

CONSTRAINTS = "constraints.txt"
# Without annotations or f-strings: an old Python is to say that it is old.
_NEW_ENOUGH = """
import sys
if sys.version_info < (3, 11):
    sys.exit("Python %s is too old; a line of `setup:` can load one from 3.11 on" % sys.version.split()[0])
"""
_COMPLETE = """
import re
from importlib.metadata import PackageNotFoundError, version
missing = []
for line in open(sys.argv[1], encoding="utf-8"):
    name = re.match(r"[\\w.-]*", line)[0]
    try:
        version(name)
    except PackageNotFoundError:
        missing.append(name)
if missing:
    sys.exit(sys.executable + " lacks " + ", ".join(missing))
print(sys.executable, sys.version.split()[0])
"""


def script(cluster: Cluster, snapshot: str, index: str | None) -> remote_shell.Script:
    """A script that builds `<base>/venv`, or goes on with it, unless the config names a Python.

    Its last line says which Python is complete.

    Args:
        index: where pip finds packages; None for its own configuration there.
    """
    return remote_shell.script(
        cluster,
        [
            f'code="$base/snapshots/{snapshot}"',
            f'test -d "$code" || exit {remote_shell.NO_SNAPSHOT}',
            *(remote_shell.python(cluster) if remote_shell.own_python(cluster) else _build(index)),
            f"{remote_shell.command(cluster)} -c {quote(_NEW_ENOUGH + _COMPLETE)} "
            f'"$code/{REQUIREMENTS}" >&3 || exit 1',
        ],
    )


def _build(index: str | None) -> list[str]:
    return [
        'python="$base/venv/bin/python"',
        'if ! "$python" -m pip --version >/dev/null 2>&1; then',
        f"  python3 -c {quote(_NEW_ENOUGH)} || exit 1",
        '  python3 -m venv "$base/venv" </dev/null || exit 1',
        "fi",
        *([f"export PIP_INDEX_URL={quote(index)}"] if index else []),
        f'set -- --requirement "$code/{REQUIREMENTS}"',
        f'test -f "$code/{CONSTRAINTS}" && set -- "$@" --constraint "$code/{CONSTRAINTS}"',
        '"$python" -m pip install --disable-pip-version-check "$@" </dev/null || exit 1',
    ]
