"""A worker in place of the real one: reads the same order, and does with each pack what a file says."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from regularize.config import pack_id
from regularize.store import Store
from tests.jobs.stores import write_pack


def main() -> None:
    order = json.load(sys.stdin)
    store = Store(Path(order["folder"]))
    with (store.folder / "gpus.txt").open("a", encoding="utf-8") as file:
        file.write(os.environ["CUDA_VISIBLE_DEVICES"] + "\n")
    acts = json.loads((store.folder / "acts.json").read_text(encoding="utf-8"))
    for pack in order["packs"]:
        path = store.pack(pack_id(pack)).status
        if path.exists() and json.loads(path.read_text(encoding="utf-8"))["state"] == "done":
            continue
        act = acts.get(pack[0], "done")
        if act == "die unbegun":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "raise":
            raise OSError("no space left")
        write_pack(store, pack, "running")
        if act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "end":
            write_pack(store, pack, "interrupted")
            sys.exit(128 + signal.SIGTERM)
        if act == "die once":
            acts[pack[0]] = "done"
            (store.folder / "acts.json").write_text(json.dumps(acts), encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)
        write_pack(store, pack, "done")


if __name__ == "__main__":
    main()
