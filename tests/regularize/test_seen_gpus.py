"""What is said where a GPU was asked for and torch sees none: why, as far as it knows."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from regularize.cores import gpu_types
from regularize.errors import UserError
from regularize.seen_gpus import check_gpu


@pytest.mark.parametrize(
    ("built", "visible", "why"),
    [
        (None, None, "is one for CPUs"),
        ("13.0", None, "built for 13.0, finds none; `nvidia-smi`"),
        ("13.0", "7", "built for 13.0, finds none among CUDA_VISIBLE_DEVICES=7; `nvidia-smi`"),
    ],
)
def test_it_is_said_whether_torch_or_what_it_is_shown_is_to_blame(
    built: str | None, visible: str | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(UserError) as caught:
        check_gpu("mend it")
    assert str(caught.value).startswith(
        f"a GPU was asked for, but torch sees none on {platform.node()}: torch {torch.__version__}"
    )
    assert why in str(caught.value)
    assert str(caught.value).endswith("; mend it")


def test_nothing_is_said_where_it_sees_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_gpu("mend it")


def test_gpus_of_a_machine_are_of_types_that_the_driver_names(tmp_path: Path) -> None:
    assert gpu_types(tmp_path / "none") == []
    for number, model in enumerate(["NVIDIA H200", "NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-40GB"]):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
        about = f"Model: \t\t {model}\nIRQ:   \t\t 160\nGPU UUID: \t GPU-{number}\n"
        (tmp_path / f"0000:0{number}:00.0" / "information").write_text(about, encoding="utf-8")
    assert gpu_types(tmp_path) == ["NVIDIA A100-SXM4-40GB", "NVIDIA H200"]
