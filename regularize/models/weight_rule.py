"""What is a weight matrix of someone else's module: one rule, by the type of its layers.

- Linear, bilinear and convolution layers, embeddings: their `weight`, as (first axis, the rest).
- Recurrent layers: the weights of inputs, states and projections of every level and direction.
- `MultiheadAttention`: the projections of queries, keys and values (its output's is a linear layer's).
- Normalisations and activations: nothing; what they have of that name scales.
- Any other module's own parameters: those with `weight` in their names and two axes or more that are
  longer than 1.

Biases and all other parameters are left alone, and frozen ones, as they are not trained. What a layer
computes from other parameters (weight_norm, spectral_norm, pruning) is a weight as the layer computes with
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

_MATRICES = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.Embedding, nn.EmbeddingBag)
_CELLS = (nn.RNNBase, nn.RNNCellBase)
_SCALES = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.PReLU)
_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_COMPUTING = (WeightNorm, SpectralNorm, BasePruningMethod)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Names of a module's weight matrices.

    Attributes:
        own: those that are trained parameters themselves.
        computed: those that layers compute from other, trained parameters.
        left: all other trained parameters, none of which `computed` ones come from.
    """

    own: tuple[str, ...]
    computed: tuple[str, ...]
    left: tuple[str, ...]


def weights_of(module: nn.Module) -> Weights:
    """By the rule, in the order in which layers are registered; a tied one has its first name."""
    own: dict[int, str] = {}
    computed: list[str] = []
    sources: set[int] = set()
    for path, layer in module.named_modules():
        if isinstance(layer, parametrize.ParametrizationList):
            continue
        for name in computed_in(layer):
            made_of = [p for p in _sources(layer, name) if p.requires_grad]
            if made_of and _is_weight(layer, name, getattr(layer, name)):
                computed.append(_joined(path, name))
                sources.update(map(id, made_of))
        for name, parameter in layer.named_parameters(recurse=False):
            if parameter.requires_grad and _is_weight(layer, name, parameter):
                own.setdefault(id(parameter), _joined(path, name))
    for taken in sources & own.keys():
        del own[taken]
    left = [n for n, p in module.named_parameters() if p.requires_grad and id(p) not in own.keys() | sources]
    return Weights(own=tuple(own.values()), computed=tuple(computed), left=tuple(left))


def computed_in(layer: nn.Module) -> list[str]:
    """Names of what a layer computes from other parameters or buffers of its own."""
    names = list(_parametrizations(layer))
    hooks = [hook for hook in layer._forward_pre_hooks.values() if isinstance(hook, _COMPUTING)]
    return [*names, *dict.fromkeys(_target(hook) for hook in hooks)]


class Computed(nn.Module):
    """The computed weights of a module, as a function of its parameters and buffers."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def of(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """By name, each as the layer would compute with it; nothing is brought up to date on the way."""
        found: dict[str, Tensor] = functional_call(self, {f"module.{n}": t for n, t in tensors.items()}, ())
        return found

    def forward(self) -> dict[str, Tensor]:
        return {name: self._made(*name.rpartition(".")[::2]) for name in self.names}

    def _made(self, path: str, name: str) -> Tensor:
        layer = self.module.get_submodule(path)
        parts = list(layer.modules())
        modes = [part.training for part in parts]
        for part in parts:
            part.training = False  # spectral norms iterate in training
        try:
            for hook in list(layer._forward_pre_hooks.values()):
                if isinstance(hook, _COMPUTING) and _target(hook) == name:
                    hook(layer, ())
            made: Tensor = getattr(layer, name)
        finally:
            for part, mode in zip(parts, modes, strict=True):
                part.training = mode
        return made


def _is_weight(layer: nn.Module, name: str, tensor: Tensor) -> bool:
    if isinstance(layer, _SCALES) or tensor.ndim < 2:
        return False
    if isinstance(layer, _MATRICES):
        return name == "weight"
    if isinstance(layer, _CELLS):
        return name.startswith("weight_")
    if isinstance(layer, nn.MultiheadAttention):
        return name in _PROJECTIONS
    return "weight" in name and sum(length > 1 for length in tensor.shape) > 1


def _target(hook: object) -> str:
    found: str = hook._tensor_name if isinstance(hook, BasePruningMethod) else hook.name  # type: ignore[attr-defined]
    return found


def _sources(layer: nn.Module, name: str) -> Iterator[nn.Parameter]:
    """The parameters that `name` is computed from."""
    if name in (lists := _parametrizations(layer)):
        yield from lists[name].parameters()
    else:
        for own, parameter in layer.named_parameters(recurse=False):
            if own in (f"{name}_g", f"{name}_v", f"{name}_orig"):
                yield parameter


def _parametrizations(layer: nn.Module) -> dict[str, nn.Module]:
    lists = getattr(layer, "parametrizations", None) if parametrize.is_parametrized(layer) else None
    return dict(lists.items()) if isinstance(lists, nn.ModuleDict) else {}


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
