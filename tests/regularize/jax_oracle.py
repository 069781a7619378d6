"""Losses and their parameter gradients by JAX: `python -m tests.regularize.jax_oracle FOLDER`.

Reads every `*.in.npz` in the folder and writes `*.out.npz` beside it. A process of its own, because JAX
starts threads and then objects to forks, which other tests make.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)


def dense(parameters, name, h):
    return parameters[f"{name}.weight"] @ h + parameters[f"{name}.bias"]


def lenet_prime(parameters, image):
    h = image
    for name, padding in (("conv1", 2), ("conv2", 0)):
        kernel = parameters[f"{name}.weight"]
        h = jax.lax.conv_general_dilated(h[None], kernel, (1, 1), [(padding, padding)] * 2)[0]
        h = jnp.tanh(h + parameters[f"{name}.bias"][:, None, None])
        channels, height, width = h.shape
        h = h.reshape(channels, height // 2, 2, width // 2, 2).max((2, 4))
    h = h.reshape(-1)
    for name in ("fc1", "fc2"):
        h = jnp.tanh(dense(parameters, name, h))
    return dense(parameters, "fc3", h)


def toy_mlp(parameters, point):
    h = jnp.tanh(dense(parameters, "fc2", jnp.tanh(dense(parameters, "fc1", point))))
    return dense(parameters, "fc3", h)


def toy_plane_logits(parameters, point):
    corners = jnp.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    return corners @ toy_mlp(parameters, point) / 2


LOGITS = {"lenet_prime": lenet_prime, "toy_mlp": toy_mlp, "toy_plane": toy_plane_logits}
# What the Jacobian is taken of: for the plane the point itself, not the logits read off it.
MAPS = LOGITS | {"toy_plane": toy_mlp}


def norm(jacobian):
    return (jacobian**2).sum() / 2


def volume(jacobian):
    return (jnp.linalg.svd(jacobian, compute_uv=False).prod() - 1) ** 2


def log(jacobian):
    return jnp.log(jnp.linalg.svd(jacobian, compute_uv=False)).sum() ** 2


def signed(jacobian):
    (a, b), (c, d) = jacobian
    return (a * d - b * c - 1) ** 2


def loss(parameters, x, labels, *, model, penalty, strength):
    logits = jax.vmap(lambda one: LOGITS[model](parameters, one))(x)
    data = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()

    def of_one(one):
        jacobian = jax.jacrev(lambda at: MAPS[model](parameters, at))(one)
        return penalty(jacobian.reshape(len(jacobian), -1))

    return data + strength * jax.vmap(of_one)(x).mean()


def solve(path):
    arrays = dict(np.load(path))
    task = json.loads(str(arrays.pop("task")))
    x, labels = arrays.pop("x"), arrays.pop("labels")
    task["penalty"] = globals()[task["penalty"]]
    value, gradients = jax.jit(jax.value_and_grad(lambda p: loss(p, x, labels, **task)))(arrays)
    out = path.with_name(path.name.replace(".in.", ".out."))
    np.savez(out, value=value, **{name: np.asarray(each) for name, each in gradients.items()})


if __name__ == "__main__":
    for found in sorted(Path(sys.argv[1]).glob("*.in.npz")):
        solve(found)
