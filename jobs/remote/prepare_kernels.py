"""Run on a login node by `cluster setup`: LeNet's kernels compiled for the nodes, and one line about it."""

from __future__ import annotations

from regularize.errors import UserError
from regularize.fused import SLOWER, build


def main() -> None:
    try:
        problem = build.prepare()
    except UserError as error:
        problem = str(error)
    if problem:
        slower = f"on these LeNets take {SLOWER}, by torch"
        print(f"warning: no kernels are compiled here for nodes without a compiler ({problem}): {slower}")
    else:
        print(f"LeNet's kernels are in {build.cache_folder()}; nodes test them before they use them")


if __name__ == "__main__":
    main()
