"""LeNet-5 as one would train it on a GPU without this toolkit: one after the other, as a graph, by vmap."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from regularize.data import load
from tests.benchmarks.rivals import BATCH, MOMENTUM, RATE, Batch, network, normalised


def batches(data: str, device: torch.device, many: int = 0) -> Iterator[Batch]:
    """Random batches of images and labels that lie on the device; with `many`, so many at once."""
    dataset = load(data)
    images, labels = normalised(dataset.train_images).to(device), dataset.train_labels.to(device)
    shape = (many, BATCH) if many else (BATCH,)
    while True:
        rows = torch.randint(len(images), shape, device=device)
        yield images[rows], labels[rows]


class Loop:
    """One network: eager steps, a fused optimizer."""

    runs = 1

    def __init__(self, data: str, device: torch.device) -> None:
        self.network = network().to(device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=RATE, momentum=MOMENTUM, fused=device.type == "cuda"
        )
        self.batches = batches(data, device)

    def step(self, x: Tensor, labels: Tensor) -> None:
        loss = F.cross_entropy(self.network(x), labels)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()

    def advance(self) -> None:
        self.step(*next(self.batches))


class Graph(Loop):
    """The same step, noted down once as a graph of CUDA and played from then on; on other devices eager."""

    def __init__(self, data: str, device: torch.device) -> None:
        super().__init__(data, device)
        self.x, self.labels = next(self.batches)
        self.graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(3):
                    self.step(self.x, self.labels)
            torch.cuda.current_stream().wait_stream(beside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.step(self.x, self.labels)

    def advance(self) -> None:
        x, labels = next(self.batches)
        self.x.copy_(x)
        self.labels.copy_(labels)
        if self.graph:
            self.graph.replay()
        else:
            self.step(self.x, self.labels)


class Mapped:
    """R networks by `torch.func.vmap`, with plain SGD written out."""

    def __init__(self, data: str, device: torch.device, runs: int) -> None:
        self.runs = runs
        networks = [network().to(device) for _ in range(runs)]
        self.base = networks[0]
        self.parameters, _ = stack_module_state(networks)
        self.momentum = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self.batches = batches(data, device, runs)

        def loss(parameters: dict[str, Tensor], x: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(functional_call(self.base, parameters, (x,)), labels)

        self.gradients = vmap(grad(loss))

    def advance(self) -> None:
        found = self.gradients(self.parameters, *next(self.batches))
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.sub_(self.momentum[name].mul_(MOMENTUM).add_(found[name]), alpha=RATE)
