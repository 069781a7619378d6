"""Several techniques at once, on every model but the usual LeNet-5, which has the cases of the techniques.

Trained in a group of two processes by `python -m tests.regularize.model_cases FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from regularize.config import RunConfig
from tests.regularize.cases import each, run, together, trained

STEPS = 100
EXAMPLES = Path(__file__).parents[2] / "examples"
RESNET = "small_resnet:group_norm"

ALL = together(
    each("elastic_net", "l1", 1e-4, 1e-3, l2=1e-3),
    each("hard_svb", "epsilon", 0.2, 0.5, every=30),
    each("jacobian", "strength", 0.01, 0.03, projections=2),
    each("dropout", "p", 0.1, 0.2),
    each("label_smoothing", "epsilon", 0.05, 0.1),
    each("input_noise", "sigma", 0.05, 0.1),
    each("weight_noise", "sigma", 0.01, 0.02),
)
# model → what it trains on
PACKED = {
    "lenet5_tanh": "digits",
    "lenet_prime": "digits",
    "mlp": "clusters",
    "toy_mlp": "clusters",
    "toy_plane": "clusters",
    "toy_rnn": "clusters",
}


def pack(model: str, *, steps: int = STEPS, **training: object) -> list[RunConfig]:
    """Two strengths with one seed, and another seed."""
    weak, strong = ALL
    return [
        run(terms, seed, steps=steps, model=model, data=PACKED[model], **training)
        for terms, seed in ((weak, 0), (strong, 0), (strong, 1))
    ]


def resnet(*, steps: int, **training: object) -> list[RunConfig]:
    """The one run of a pack of the example's module; its folder has to be on Python's path."""
    return [run(ALL[0], 0, steps=steps, model=RESNET, **training)]


def rank(index: int, folder: Path) -> None:
    torch.set_num_threads(1)
    sys.path.insert(0, str(EXAMPLES))
    store = dist.FileStore(str(folder / "rendezvous"), 2)
    dist.init_process_group("gloo", store=store, rank=index, world_size=2)
    for model in PACKED:
        trained(pack(model, precision="float64"), folder / model)
    trained(resnet(steps=20, precision="float64"), folder / "resnet")
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(rank, args=(Path(sys.argv[1]),), nprocs=2)
