"""All forms of convolutions compute the same, which of them did is recorded, and a GPU's choice stays."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from regularize import convolution_forms, convolution_setting, form_trial, models, remembered
from regularize.convolution_forms import FORMS
from regularize.distributed import Ranks
from regularize.errors import UserError
from regularize.store import PackPaths
from regularize.trainer import Trainer
from tests.regularize.cases import objective, pack, parameter_gradients

HERE = Ranks(rank=0, world=1, device=torch.device("cpu"))
OTHERS = [name for name in FORMS if name != "grouped"]


def gradients(form, case, model):
    runs = pack(case, steps=2, model=model)
    network = models.build(model, [run.seed for run in runs], shape=(1, 28, 28), classes=10).double()
    assert network.convolve_by(FORMS[form])
    module, loss, _, _ = objective(runs, model=network)
    losses = loss()
    return losses.detach(), parameter_gradients(module, losses)


@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize("model", ["lenet5", "lenet5_tanh", "resnet8"])
def test_forms_equal_grouped_ones_also_where_a_penalty_is_differentiated(form, model):
    losses, found = gradients(form, "l2_dropout_jacobian", model)
    expected_losses, expected = gradients("grouped", "l2_dropout_jacobian", model)
    torch.testing.assert_close(losses, expected_losses, rtol=0, atol=1e-9)
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-9)


def trainer(runs):
    made = Trainer(runs, PackPaths(Path(os.devnull)), HERE, None)
    made.start()
    for _ in range(2):
        made.advance()
    return made


@pytest.mark.parametrize("form", OTHERS)
def test_packed_is_alone_in_each_form_and_the_record_says_which(form, monkeypatch):
    runs = pack("none", steps=2, precision="float64")
    plain = trainer(runs)
    assert "convolutions" not in plain.kernels[0], "a CPU's own way is as ever"
    monkeypatch.setenv(convolution_setting.SETTING, form)
    packed, alone = trainer(runs), trainer(runs[1:2])
    assert packed.kernels == alone.kernels == (f"torch: float64 on cpu, convolutions {form}",)
    for whole, one, usual in zip(packed.parameters, alone.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(whole[1], one[0], rtol=0, atol=1e-9)
        torch.testing.assert_close(whole, usual, rtol=0, atol=1e-9)


def test_the_environment_knows_their_names():
    assert set(convolution_setting.NAMES) == convolution_forms.FORMS.keys()


def test_what_is_no_form_is_refused_and_what_has_none_trains_as_ever(monkeypatch):
    monkeypatch.setenv(convolution_setting.SETTING, "product")
    with pytest.raises(UserError, match=r"REGULARIZE_CONVOLUTIONS is 'product'.*did you mean 'products'"):
        convolution_forms.asked()
    monkeypatch.setenv(convolution_setting.SETTING, "products")
    assert trainer(pack("none", steps=2, model="mlp")).kernels == ("torch: no fused stages for this model",)


def test_the_fastest_is_tried_once_for_a_type_of_gpu_and_stays(monkeypatch, tmp_path):
    monkeypatch.setenv(remembered.CACHE, str(tmp_path))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    tried = []

    def build(runs):
        tried.append(runs)
        return models.build("lenet5", range(2), shape=(1, 28, 28), classes=10)

    monkeypatch.setattr(form_trial, "_BATCH", 4)
    answers = iter([[("vmap", 2.0), ("products", 1.0)]] * 3 + [[("vmap", 0.5), ("products", 1.0)]] * 3)
    monkeypatch.setattr(form_trial, "_round", lambda *_: next(answers))
    for _ in range(2):
        assert form_trial.chosen("lenet5", build, "float32", (1, 28, 28)) == "products"
    assert len(tried) == 1
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "another GPU")
    assert form_trial.chosen("lenet5", build, "float32", (1, 28, 28)) == "vmap"


def test_packs_of_a_process_have_one_form_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setenv(remembered.CACHE, str(tmp_path / "a file" / "measured"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    answers = iter(["products", "vmap"])
    monkeypatch.setattr(form_trial, "fastest", lambda *_: next(answers))
    for _ in range(2):
        assert form_trial.chosen("lenet5", lambda _: None, "float32", (1, 28, 28)) == "products"
    assert next(answers) == "vmap", "it was not tried again"


def test_all_forms_take_part_in_a_try():
    model = models.build("lenet5", range(2), shape=(1, 28, 28), classes=10)
    found = dict(form_trial._round(model, torch.randn(2, 4, 1, 28, 28)))
    assert found.keys() == FORMS.keys()
    assert all(seconds > 0 for seconds in found.values())


@pytest.mark.parametrize(
    "error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), RuntimeError("no engine")]
)
def test_one_that_cannot_be_computed_there_is_not_taken(error, monkeypatch):
    def fails(*_):
        raise error

    monkeypatch.setattr(
        form_trial, "FORMS", {**FORMS, "products": replace(FORMS["products"], convolve=fails)}
    )
    model = models.build("lenet5", range(2), shape=(1, 28, 28), classes=10)
    assert dict(form_trial._round(model, torch.randn(2, 4, 1, 28, 28))).keys() == FORMS.keys() - {"products"}
    assert all(parameter.grad is None for parameter in model.parameters())
