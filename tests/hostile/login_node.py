"""What a login node that does harm answers: a program in Python's place that says what it likes."""

from __future__ import annotations

import json
from pathlib import Path

ORDERS = "\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x1b\\\u202e"

# What it is asked is not looked at; each line of its answer is a file's header, and the bytes behind it.
PROGRAM = """\
#!/bin/sh
cat "{answer}"
printf 'warning {orders}' >&2
"""

PATHS = (
    "report.html",
    "figures/loss.pdf",
    "../elsewhere",
    "/etc/cron.d/x",
    "jobs/13_submitted.pkl",
    "looks.json",
    "verified.json",
    ".git/hooks/post-checkout",
    "packs/../x",
    "packs/a/../../x",
    "packs/a/evil.py",
    "packs//status.json",
    "logs/13\n+ /**_0_log.out",
    "logs/.._log.out",
    "code/x.py",
    "data/x.json/..",
    "tables/results.parquet",
    "sweep.yaml/x",
    "0123.diff",
)
HEADERS = (
    b"[]\n",
    b"{}\n",
    b"not JSON\n",
    b"[" * 60_000 + b"\n",
    b"x" * 70_000,
    json.dumps({"path": 1, "size": 1, "time": 1, "begin": 0}).encode() + b"\n",
    json.dumps({"path": "sweep.yaml", "size": -1, "time": 1, "begin": 0}).encode() + b"\n",
    json.dumps({"path": "sweep.yaml", "size": 3, "time": 1, "begin": 2}).encode() + b"\n",
    json.dumps({"path": "sweep.yaml", "size": 3, "time": 1 << 80, "begin": 0}).encode() + b"\n",
    json.dumps({"path": "sweep.yaml", "size": "3", "time": 1, "begin": 0, "more": 1}).encode() + b"\n",
)


def sent(path: str, content: bytes = b"evil") -> bytes:
    header = {"path": path, "size": len(content), "time": 1, "begin": 0}
    return json.dumps(header).encode() + b"\n" + content


def python_that_answers(folder: Path, answer: bytes) -> Path:
    """For `python:` of a cluster config."""
    (folder / "answer").write_bytes(answer)
    program = folder / "python"
    octal = "".join(f"\\{byte:03o}" for byte in ORDERS.encode())
    program.write_text(PROGRAM.format(answer=folder / "answer", orders=octal), encoding="utf-8")
    program.chmod(0o755)
    return program
