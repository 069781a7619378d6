"""Which form of convolutions the environment names. Free of torch."""

from __future__ import annotations

import os

SETTING = "REGULARIZE_CONVOLUTIONS"
"""Environment variable: `auto`, or one of `convolution_forms.FORMS` for all devices."""


def named() -> str:
    return os.environ.get(SETTING) or "auto"
