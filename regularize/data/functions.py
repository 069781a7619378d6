"""Data sets that a function of one's own makes: `dataset: package.module:function`.

The function is called without arguments and returns the training part, the test part and, where classes
have names, these: `((images, labels), (images, labels), class_names)`, numpy arrays. Images are uint8
[N, H, W] or [N, H, W, C] with H = W, points float [N, D] in their own units, labels integers from 0 without
gaps. It has to return the same at every call. It is called once, when its data are made ready; from then on
what it returned is read from disk, until its source, or that of what it imports of one's own, is another.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from regularize.code_identity import own_sources
from regularize.data.form import Form
from regularize.data.labels import checked_labels, count_classes
from regularize.data.source import Arrays, Features, Source
from regularize.errors import RAISED, UserError
from regularize.named_objects import resolve
from regularize.raised import told


def folder_name(name: str) -> str:
    """Of what is prepared: the function's name and 16 hex digits of its source."""
    text = json.dumps(own_sources(name), sort_keys=True)
    return f"{name.replace(':', '.')}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def source(name: str) -> Source:
    """Nothing is called before it is looked at or read.

    Raises:
        UserError: when it is: the function cannot be imported, fails, or returns something else.
    """
    return Source.of((), look=lambda form: _called(name, form).facts, read=lambda form: _called(name, form))


@cache
def _called(name: str, form: Form) -> Arrays:
    function = resolve("data set", name)
    if not callable(function):
        raise UserError(f"data set {name} is {function!r}, but must be a function")
    try:
        returned = function()
    except UserError:
        raise
    except RAISED as error:  # whatever someone else's code raises
        raise UserError(f"data set {name} cannot be made: {told(error, function)}") from error
    return _arrays(name, returned, form)


def _arrays(name: str, returned: Any, form: Form) -> Arrays:
    try:
        (train, train_labels), (test, test_labels), *rest = returned
        (class_names,) = rest or [()]
    except (TypeError, ValueError):
        raise UserError(
            f"data set {name} returned {type(returned).__name__}, but must return "
            "((images, labels), (images, labels)) or these and the class names"
        ) from None
    parts = {"training": (train, train_labels), "test": (test, test_labels)}
    images = {
        part: _features(f"{name}: {part} images", np.asarray(x), form) for part, (x, _) in parts.items()
    }
    labels = {
        part: checked_labels(f"{name}: {part} labels", np.asarray(y), len(images[part]))
        for part, (_, y) in parts.items()
    }
    if images["training"].shape[1:] != images["test"].shape[1:]:
        raise UserError(f"data set {name} has training and test images of different shapes")
    classes = count_classes(name, "training labels", labels["training"], {"test labels": labels["test"]})
    if class_names and len(class_names) != classes:
        raise UserError(f"data set {name} has {classes} classes, but {len(class_names)} class names")
    return Arrays(
        classes=classes,
        class_names=tuple(str(each) for each in class_names),
        train_images=images["training"],
        train_labels=labels["training"],
        test_images=images["test"],
        test_labels=labels["test"],
    )


def _features(where: str, values: npt.NDArray[Any], form: Form) -> Features:
    if values.dtype.kind == "f" and values.ndim == 2 and not form:
        return values.astype(np.float32)
    if values.ndim == 3:
        values = values[..., None]
    square = values.ndim == 4 and (form.resize or values.shape[1] == values.shape[2])
    if values.dtype != np.uint8 or not square:
        raise UserError(
            f"{where} are {values.dtype} {list(values.shape)}, but must be uint8 [N, H, W] or [N, H, W, C] "
            "with H = W, or float [N, D]"
        )
    return form.images(values)
