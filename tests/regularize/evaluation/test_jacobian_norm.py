from __future__ import annotations

import pytest
import torch

from regularize.evaluation.examined import CHUNK
from regularize.evaluation.jacobian_norm import frobenius_norms
from tests.regularize.evaluation.networks import untrained


@pytest.mark.parametrize(
    ("model", "data"),
    [("lenet5_tanh", "digits"), ("lenet5", "digits"), ("toy_mlp", "clusters"), ("toy_rnn", "clusters")],
)
def test_norms_are_those_of_torch_func(model: str, data: str) -> None:
    subject = untrained([0, 1], model=model, data=data)
    index = subject.sample(CHUNK + 3)
    norms = frobenius_norms(subject, index)
    x, _ = subject.batches.take("test", index)
    for run in range(2):

        def logits(example: torch.Tensor, run: int = run) -> torch.Tensor:
            return subject.model(example.expand(2, 1, *example.shape))[run, 0]

        for example in (0, CHUNK + 2):
            expected = torch.func.jacrev(logits)(x[run, example]).norm()
            torch.testing.assert_close(norms[run, example], expected, rtol=1e-9, atol=0)


def test_parameters_and_mode_are_left_alone() -> None:
    subject = untrained([0])
    subject.model.train()
    frobenius_norms(subject, subject.sample(5))
    assert subject.model.training
    assert all(parameter.grad is None for parameter in subject.model.parameters())
